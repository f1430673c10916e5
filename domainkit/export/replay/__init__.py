"""Replay: held-out questions through the engine that an export is for, beside ours. It shows that the adapter acts."""
