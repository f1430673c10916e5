"""What a comparison asks: the variants that run, the models they run on, and the key that an answer is kept under."""
