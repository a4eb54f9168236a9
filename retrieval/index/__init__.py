"""Dense and lexical indexes."""
