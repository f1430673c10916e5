"""What is wrong with rows: likely wrong labels, contradictions, near-duplicates, outliers, personal data."""
