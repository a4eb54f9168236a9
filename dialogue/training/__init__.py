"""Training of the judges and of language models; nothing here runs while a dialogue does."""
