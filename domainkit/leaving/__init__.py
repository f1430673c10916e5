"""Leaving a hosted model with proof: the incumbent, the decision, and its one-page certificate."""
