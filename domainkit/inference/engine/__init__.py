"""The engine: one thread that owns the model and merges all requests into shared batches."""
