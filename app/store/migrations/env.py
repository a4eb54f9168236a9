"""Runs the versions on the connection, and inside the transaction, that the caller has opened."""

from alembic import context

from app.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,  # the caller's explicit BEGIN makes it so, on SQLite too
)
context.run_migrations()
