"""The SQL files, without a server."""

import re

import pytest

from infra.database.statements import SQL, statements

SUBJECTS = sorted(path.stem for path in SQL.glob("*.sql"))
CODE = "\n".join(path.read_text(encoding="utf-8") for path in SQL.parents[1].rglob("*.py"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_file_is_nothing_but_named_statements(subject):
    source = (SQL / f"{subject}.sql").read_text(encoding="utf-8")
    assert source.startswith("-- name: ")
    names = re.findall(r"^-- name: (\w+)$", source, re.MULTILINE)
    assert list(statements(subject)) == names
    for name, statement in statements(subject).items():
        assert ";" not in re.sub(r"^--.*$", "", statement.text, flags=re.MULTILINE), name


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_statement_is_used(subject):
    assert f'statements("{subject}")' in CODE
    assert [name for name in statements(subject) if f'"{name}"' not in CODE] == []
