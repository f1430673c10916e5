"""The report's sections beside its charts."""
