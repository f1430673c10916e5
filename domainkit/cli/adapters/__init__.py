"""Commands that make, join and export adapters: one file each."""
