"""A domain in a folder: what is there, the choices in its run.toml, and what a run does before the comparison."""
