"""After the verdict: `watch()` tells when the questions have changed; feedback becomes rows for training."""
