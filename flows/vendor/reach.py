"""What the verbs share: the database, and how rows are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from flows import console
from infra.settings import load_settings

if TYPE_CHECKING:
    import sqlalchemy as sa

JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; logs go to stderr."
)


def show(title: str, read: Callable[[sa.Engine], list[dict[str, Any]]], as_json: bool) -> None:
    """Print rows of the database, as a table or a document."""
    with database() as engine:
        rows = read(engine)
    console.document(rows) if as_json else console.show_rows(title, rows)


@contextmanager
def database() -> Iterator[sa.Engine]:
    """Open the database of the settings, at its newest schema."""
    from infra.database.engine import connect, migrate

    engine = connect(load_settings().database_url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
