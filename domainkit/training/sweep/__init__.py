"""One adapter for each combination of settings, compared on held-out examples."""
