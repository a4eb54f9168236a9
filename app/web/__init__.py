"""The web chat: a page, what it shows, and who owns a running reply."""
