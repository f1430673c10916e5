"""What a comparison fits before or beside its questions: adapters, their replicas, simple models."""
