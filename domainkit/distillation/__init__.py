"""What one model knows into another: a teacher's answers as rows, or the same base with its context as the teacher."""
