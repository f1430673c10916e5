"""What is compared and how it is scored: tasks, variants, metrics, answers on disk."""
