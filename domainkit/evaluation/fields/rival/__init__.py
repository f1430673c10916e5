"""Fields without a language model: for each field the best of the commonest value, a classifier, and a copied span."""
