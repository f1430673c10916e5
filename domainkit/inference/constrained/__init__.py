"""Answers limited to a JSON schema, a regular expression or tool calls."""
