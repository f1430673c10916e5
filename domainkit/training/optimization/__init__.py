"""Around an optimizer step: optimizers, guards, stop signals, progress, loggers, checkpoints."""
