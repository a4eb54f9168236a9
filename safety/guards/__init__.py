"""Guards: the embedded one, and larger ones beside it."""
