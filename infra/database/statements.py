"""SQL lives in files: each statement is named by a line `-- name: open_round` and described below it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import sqlalchemy as sa

SQL = Path(__file__).parent / "sql"


@cache
def statements(subject: str) -> dict[str, sa.TextClause]:
    """Read the statements of one file.

    Parameters
    ----------
    subject
        The file's name without ``.sql``.

    Returns
    -------
    dict
        Statement by name, with ``:name`` parameters.
    """
    source = (SQL / f"{subject}.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", source, flags=re.MULTILINE)[1:]
    return {name: sa.text(body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}
