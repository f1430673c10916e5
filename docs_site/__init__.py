"""What the documentation site adds to the pages of docs/: links, the command reference and the Python reference."""
