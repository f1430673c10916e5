"""Commands about data: one file each."""
