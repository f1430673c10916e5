"""Methods that change what layers compute, not their weights."""
