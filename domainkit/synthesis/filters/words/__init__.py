"""The words by which the filters judge, language by language."""
