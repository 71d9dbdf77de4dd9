"""Runs the migrations on the connection that the bot hands over."""

from alembic import context

from kmodbot.bot.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
# The transaction is the caller's.
context.run_migrations()
