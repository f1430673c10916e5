"""The schema of results.json: plain, frozen records that statistics, verdict and report share."""
