"""Chat models as metrics: which model judges, and what the results say of it."""
