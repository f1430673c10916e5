"""The schema of results.json: plain, frozen nouns that statistics, verdict and report share."""
