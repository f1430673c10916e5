"""Tool calls as the answer to a question: their text, how two lists of them are compared, and their simple rivals."""
