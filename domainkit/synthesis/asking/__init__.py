"""Requests to chat models and their replies: asked at once, tried again, paid for, kept on disk."""
