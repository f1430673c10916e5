"""From examples to an adapter: configuration, batches, the training loop, checkpoints, sweeps, preferences."""
