"""The files connector keeps the contract in every format, and the contract's test can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.vendors.files.options import FORMATS
from tasks.vendors.testing import check_connector
from tests.unit.vendors.files.memory import FileVendor, Memory, connector


@pytest.mark.parametrize("format", FORMATS)
def test_it_keeps_the_contract(format: str) -> None:
    store = Memory()
    check_connector(lambda: connector(store, format), FileVendor(store, format))


class Twice:
    """Offers everything again."""

    def __init__(self, store: Memory) -> None:
        self.store, self.inner = store, connector(store)

    def offer(self, offers):
        for key in [key for key in self.store.objects if "/state/" in key]:
            del self.store.objects[key]
        new = self.inner.offer(offers)
        data = self.store.objects.get("s3://vendors/acme/out/check/batch-000001.jsonl")
        if data is not None:
            self.store.objects["s3://vendors/acme/out/check/batch-000009.jsonl"] = data
        return new

    def __getattr__(self, name):
        return getattr(self.inner, name)


class NewIds(Twice):
    """Gives each answer another id at each fetch."""

    count = 0

    def offer(self, offers):
        return self.inner.offer(offers)

    def fetch(self, held, known, cursor):
        found = self.inner.fetch(held, known, cursor)
        type(self).count += 1
        rows = [replace(row, client_annotation_id=f"{self.count}{row.assignment_id}") for row in found.rows]
        return replace(found, rows=tuple(rows))


class Silent(NewIds):
    """Loses an answer."""

    def fetch(self, held, known, cursor):
        found = self.inner.fetch(held, known, cursor)
        return replace(found, rows=found.rows[1:], order=found.order[1:])


class Keeper(NewIds):
    """Withdraws nothing."""

    def fetch(self, held, known, cursor):
        return self.inner.fetch(held, known, cursor)

    def withdraw(self, offers):
        pass


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (Twice, "not each of 8 once"),
        (NewIds, "the same again"),
        (Silent, "each answer"),
        (Keeper, "what was withdrawn is there"),
    ],
)
def test_the_contracts_test_finds_what_breaks_it(broken: type, why: str) -> None:
    store = Memory()
    with pytest.raises(AssertionError, match=why):
        check_connector(lambda: broken(store), FileVendor(store, "jsonl"))
