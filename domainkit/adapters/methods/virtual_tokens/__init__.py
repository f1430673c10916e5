"""Methods that put learnt virtual tokens before each prompt."""
