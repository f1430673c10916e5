"""What is asked about: documents in sections, the sides of train and test, the quotes and where they stand."""
