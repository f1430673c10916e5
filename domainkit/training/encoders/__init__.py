"""Small encoders that are fine-tuned to tell labels apart: what fine-tuning brings without a model that writes."""
