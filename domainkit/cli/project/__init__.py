"""Commands about a domain in a folder: one file each."""
