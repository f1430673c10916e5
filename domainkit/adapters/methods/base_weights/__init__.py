"""Methods that train some or all of the base's own weights."""
