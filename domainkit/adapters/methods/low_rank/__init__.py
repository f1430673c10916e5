"""Methods that add a low-rank product to weights: LoRA and its relatives."""
