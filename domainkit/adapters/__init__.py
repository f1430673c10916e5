"""Adapters: folder and card, the adaptation methods, what a method adds to a base. No training loop, no serving."""
