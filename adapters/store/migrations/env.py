"""Alembic's environment: runs on the connection and inside the transaction that the caller hands over."""

from alembic import context

from adapters.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
