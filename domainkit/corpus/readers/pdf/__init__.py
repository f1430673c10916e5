"""PDF: text of the pages by PDFium, their layout by liteparse, scanned pages by OCR."""
