"""The Hugging Face hub: a folder of what may leave this machine, with a model card, and its upload."""
