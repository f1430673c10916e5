"""Intervals, paired differences, always-valid tests, races and learning curves. No model, no files."""
