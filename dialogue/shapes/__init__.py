"""Questions of certain shapes, and drafts that answer them whole."""
