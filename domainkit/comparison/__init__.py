"""compare(): every variant answers the same questions, then statistics, a verdict and a report."""
