"""Train, dev and test from one set of rows, with near-duplicates on one side."""
