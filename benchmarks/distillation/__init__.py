"""What distilling brings, beside the same budget of plain training."""
