"""Holding a round in a state from outside, so that its process can be killed exactly there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tests.end_to_end.crashes.world import World

NEWEST = sa.text(
    "SELECT CAST(r.state AS text) FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id) "
    "WHERE c.name = :name ORDER BY r.number DESC LIMIT 1 FOR UPDATE OF r"
)
PATIENCE_SECONDS = 120


@contextmanager
def held_at(world: World, name: str, state: str) -> Iterator[None]:
    """Wait until the newest round is in `state` and hold its row: the process can write no other state."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with world.engine.connect() as connection:
        while time.monotonic() < deadline:
            connection.begin()
            if connection.execute(NEWEST, {"name": name}).scalar_one_or_none() == state:
                yield
                connection.invalidate()  # the server itself may be what was killed
                return
            connection.rollback()
            time.sleep(0.003)
    raise TimeoutError(f"{name} was never seen {state}")
