"""Methods that turn weights by orthogonal matrices."""
