"""The vocabulary: cross-products, fits, structures of random effects, padding. Read it and you know the library."""
