"""Alembic's entry: migrates over the connection that `infra.database.engine.migrate` hands in."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="schema_version", version_table_schema="labelrounds")
with context.begin_transaction():
    context.run_migrations()
