"""What is suspicious in data: one kind of item a file."""
