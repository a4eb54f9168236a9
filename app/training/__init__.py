"""Training of the judges, the reader and language models; nothing here runs while a dialogue does."""
