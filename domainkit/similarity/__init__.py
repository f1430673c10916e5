"""How similar texts are, and which of many are near-duplicates: for leakage, splits, the clinic and filters."""
