"""Adapters: their folder and card, the adaptation methods, and what a method adds to a base. No training loop, no
serving."""
