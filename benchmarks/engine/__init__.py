"""Parts of the engine, measured alone."""
