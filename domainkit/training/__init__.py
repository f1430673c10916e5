"""Adapters from examples: configuration, rendering, batches, methods, the training loop."""
