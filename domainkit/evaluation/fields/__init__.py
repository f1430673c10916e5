"""JSON objects as answers: when two values are the same, and what an answer has of its target."""
