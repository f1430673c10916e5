"""What the engine computes for one request: a text, a choice of a closed list, or the score of a given text."""
