"""The database: tables, history and the migrations between schemas."""
