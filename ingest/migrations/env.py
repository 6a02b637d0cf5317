"""What Alembic runs around a migration: on the connection that `ingest.database.migrate` hands it, nothing else."""

from alembic import context

from ingest.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
