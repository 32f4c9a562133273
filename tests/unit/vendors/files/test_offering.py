"""Each task stands in the vendor's files once, whatever happens between two calls."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.vendors.files import ledger
from tasks.vendors.testing import make_offers
from tests.unit.vendors.files.memory import URI, Crash, FileVendor, Memory, connector

FORMATS = ("jsonl", "csv", "manifest")


def there(store: Memory, format: str = "jsonl") -> list[str]:
    return sorted(FileVendor(store, format).tasks())


def wanted(offers) -> list[str]:
    return sorted(offer.assignment_id for offer in offers)


@given(
    crashes=st.lists(st.integers(1, 25), max_size=6),
    batch=st.integers(1, 4),
    format=st.sampled_from(FORMATS),
    grow=st.lists(st.integers(0, 9), min_size=1, max_size=4),
)
def test_an_end_at_any_call_doubles_and_loses_no_task(crashes, batch, format, grow) -> None:
    store, offers, ends = Memory(), make_offers(9), iter(crashes)
    for many in (*grow, 9):
        while True:
            end = next(ends, None)
            store.crash_at = None if end is None else store.calls + end
            try:
                connector(store, format, batch=batch).offer(offers[:many])
                connector(store, format, batch=batch).withdraw(offers[:many][:2])
            except Crash:
                continue
            break
    assert there(store, format) == wanted(offers[2:])
    gone = [row["assignment_id"] for row in FileVendor(store, format)._rows("withdrawn-")]
    assert Counter(gone) == Counter(offer.assignment_id for offer in offers[:2])


def test_a_file_holds_the_most_worth_first_and_no_more_than_a_batch() -> None:
    store, offers = Memory(), make_offers(7)
    assert connector(store, batch=3).offer(offers) == 7
    found = FileVendor(store, "jsonl")._rows("batch-")
    assert [row["priority"] for row in found] == list(range(7))
    names = [key.rpartition("/")[2] for key in store.objects if "/out/" in key]
    assert sorted(names) == [f"batch-{n:06d}.jsonl" for n in (1, 2, 3)] + ["schema-1.json"]


def test_two_at_once_write_each_task_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, offers = Memory(), make_offers(8)
    second = connector(store, batch=3)
    write, raced = ledger.Ledger.write, []

    def racing(self, number, ids, data):
        if not raced:
            raced.append(0)
            raced.append(second.offer([replace(one, payload={"text": "other"}) for one in offers[2:]]))
        return write(self, number, ids, data)

    monkeypatch.setattr(ledger.Ledger, "write", racing)
    assert connector(store, batch=3).offer(offers) + sum(raced) == 8
    assert there(store) == wanted(offers)


def test_many_small_batches_are_found_in_a_few_objects() -> None:
    store, offers = Memory(), make_offers(100)
    for number in range(100):
        connector(store).offer(offers[number : number + 1])
    calls = store.calls
    assert connector(store).offer(offers) == 0
    assert store.calls - calls < 40
    assert there(store) == wanted(offers)


def test_files_that_the_vendor_took_away_are_not_written_again() -> None:
    store, offers = Memory(), make_offers(5)
    connector(store).offer(offers)
    for key in [key for key in store.objects if "/out/" in key and "batch-" in key]:
        del store.objects[key]
    assert connector(store).offer(offers) == 0
    assert there(store) == []


def test_the_classes_lie_beside_the_batches() -> None:
    store, (offer, *_) = Memory(), make_offers(1)
    connector(store).offer([offer])
    schema = json.loads(store.objects[f"{URI}/out/check/schema-1.json"][0])
    assert (schema["classes"], schema["instructions"]) == (["ham", "spam"], "Is this unwanted?")
    connector(store, "manifest").offer([replace(offer, schema=replace(offer.schema, version=2))])
    schema = json.loads(store.objects[f"{URI}/out/check/schema-2.json"][0])
    assert schema == {"document-version": "2018-11-28", "labels": [{"label": "ham"}, {"label": "spam"}]}


def test_addresses_of_payloads_are_renewed_once_an_hour() -> None:
    store, now = Memory(), [0.0]

    def offer_at(seconds: float, address: str) -> str:
        now[0] = seconds
        offers = [replace(one, urls={"text": address}) for one in make_offers(2)]
        replace(connector(store), now=lambda: now[0]).offer(offers)
        return json.loads(store.objects[f"{URI}/out/check/urls-000001.jsonl"][0].splitlines()[1])["urls"][
            "text"
        ]

    assert offer_at(0, "https://first") == "https://first"
    assert offer_at(3000, "https://second") == "https://first"
    assert offer_at(4000, "https://third") == "https://third"
    assert FileVendor(store, "jsonl")._rows("batch-")[0]["urls"] == {"text": "https://first"}


def test_what_was_never_offered_cannot_be_withdrawn() -> None:
    store, offers = Memory(), make_offers(4)
    connector(store).offer(offers[:2])
    connector(store).withdraw(offers)
    assert wanted(offers[:2]) == sorted(
        r["assignment_id"] for r in FileVendor(store, "jsonl")._rows("withdrawn-")
    )
