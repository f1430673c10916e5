"""GGUF, the files of llama.cpp and Ollama: an adapter, or a merged model as a copy of its base's own GGUF."""
