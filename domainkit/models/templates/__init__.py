"""Chat templates: conversations to token ids and back, tools in them, and the limits on what a template may do."""
