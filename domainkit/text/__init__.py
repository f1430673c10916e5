"""Text of all scripts: its characters by the Unicode data, its canonical form, its words and sentences."""
