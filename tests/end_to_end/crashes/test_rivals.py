"""Two starts at the same moment: one runs, the other says so."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import Any

import pytest

from infra.stack.postgres import connect
from tests.end_to_end.crashes.command import Nursery
from tests.end_to_end.crashes.world import World, differences


def test_of_two_rounds_at_once_one_runs_and_the_other_says_so(
    world: World, nursery: Nursery, undisturbed: dict[str, Any]
) -> None:
    file = world.campaign("contest")
    children = [nursery.start("round", str(file), "--json") for _ in range(2)]
    ended = sorted((child.wait() for child in children), key=lambda one: one.code)
    assert [one.code for one in ended] == [0, 1], [one.err for one in ended]
    winner, loser = ended
    assert winner.document["result"] == "published"
    # Whether the loser came while the winner ran, or just after it had published, is the machine's affair.
    assert loser.document["result"] in ("busy", "waiting")
    if loser.document["result"] == "busy":
        assert "another process drives its round" in loser.document["message"]
    assert differences(world.traces("contest"), undisturbed["first"]) == []


@pytest.mark.usefixtures("undisturbed")
def test_two_first_starts_ever_do_not_hinder_each_other(world: World, nursery: Nursery) -> None:
    """On an empty database both bring the schema; the campaigns are different, so both run."""
    server = world.settings.database_url.rpartition("/")[0]
    database = f"empty_{uuid.uuid4().hex[:12]}"
    with closing(connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {database}")
    fresh = {"LABELROUNDS_DATABASE_URL": f"{server}/{database}"}
    files = [world.campaign(name) for name in ("first-ever", "also-first")]
    children = [nursery.start("round", str(file), "--json", **fresh) for file in files]
    ended = [child.wait() for child in children]
    assert [one.code for one in ended] == [0, 0], [one.err for one in ended]
