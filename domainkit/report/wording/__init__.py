"""Numbers and sentences as the report writes them."""
