"""Many adapters on one base while it serves: the pool, and what PEFT's layers need for it."""
