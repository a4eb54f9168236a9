"""The encoder, and what is read on its layers."""
