"""Training of the judges from the development data; nothing here runs while a dialogue does."""
