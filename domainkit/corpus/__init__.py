"""Documents and examples: read, check, chunk, split."""
