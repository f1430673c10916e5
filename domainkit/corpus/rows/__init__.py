"""Rows of data files: formats, layouts, and the fields that nobody reads."""
