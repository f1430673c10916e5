"""Two decisions on public data: labels (Banking77), where it is close, and documents (medquad_ghr), where it is not."""
