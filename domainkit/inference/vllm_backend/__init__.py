"""vLLM's engine in this process: for a GPU, without a server."""
