"""The report's drawings, as SVG."""
