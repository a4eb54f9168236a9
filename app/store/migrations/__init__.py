"""The versions of the schema; run in-process when a database is opened."""
