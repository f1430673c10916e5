"""What a run of `make` did, in the terminal and in report.md: the same sentences."""
