"""What variants cost at the prices of a file, and the number of questions from which training has paid for itself."""
