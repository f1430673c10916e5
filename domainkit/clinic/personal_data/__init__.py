"""Personal data in text: found by form, checksum and the words before it; shown masked."""
