"""The script that Alembic runs: the migrations, on the connection and in the transaction that `migrate` has begun."""

from alembic import context

from salon.persistence.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by rebuilding it
    transactional_ddl=True,
)
context.run_migrations()
