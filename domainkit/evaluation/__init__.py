"""Tasks, metrics, statistics, and the comparison of variants."""
