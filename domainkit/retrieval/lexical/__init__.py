"""Passages by the words they share with a question: tokens, their counts, and BM25 over them."""
