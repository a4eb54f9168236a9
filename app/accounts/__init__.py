"""Who may use a server, and what of it: accounts, passwords, API keys, logins, limits, the audit log, data rights."""
