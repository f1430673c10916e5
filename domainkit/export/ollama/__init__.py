"""Ollama: a Modelfile over the GGUF export, whose template writes the prompt that the adapter was trained with."""
