"""Every variant is asked every question: at once, tried again, kept on disk, and paid for within a budget."""
