"""What the library holds: documents, passages, and the index kept over them."""
