"""Formats of rows: one file each."""
