"""The review desk: a page on which a person who knows the domain judges answers, without knowing whose they are."""
