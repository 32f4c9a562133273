"""Serve the vendors that do not come to the door: bring their tasks, fetch their answers, say what became of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.database import rounds
from infra.database import vendors as vendor_store
from infra.database.campaigns import CampaignRow
from infra.database.errand import Errand
from infra.storage import Storage
from infra.workplace import Workplace
from tasks.campaign import Campaign, Vendor
from tasks.errors import LabelRoundsError
from tasks.step import step
from tasks.vendors.connector import Change, Connector, Offer, Row, Verdict

log = logging.getLogger(__name__)

URL_SECONDS = 7 * 24 * 3600  # the longest that a presigned address may live
_MESSAGES, _OWN = "messages", "connector"


@dataclass(frozen=True)
class Served:
    """What one turn of a vendor's connector did.

    Parameters
    ----------
    offered
        Tasks that were new to it.
    results
        Rows and changes by what became of them.
    trouble
        Why the turn did not come to its end; the next one goes on.
    """

    vendor: str
    offered: int = 0
    results: tuple[tuple[str, int], ...] = ()
    trouble: str | None = None


@step("serve vendors with connectors")
def serve_vendors(workplace: Workplace, row: CampaignRow, campaign: Campaign) -> list[Served]:
    """Take a turn with each of the campaign's connectors; trouble with one keeps no other waiting."""
    known = {one.name: one for one in vendor_store.vendors_of(workplace.engine, row.campaign_id)}
    served = []
    for vendor in campaign.vendors:
        if vendor.connector is None or vendor.name not in known:
            continue
        errand = Errand(
            workplace.engine, row.campaign_id, campaign.name, known[vendor.name].vendor_id, vendor.name
        )
        # One at a time: two that import into one vendor's system at once would double what it does.
        with rounds.holding(workplace.engine, f"labelrounds:vendor:{vendor.name}") as free:
            if not free:
                served.append(Served(vendor.name, trouble="another process serves it at this moment"))
                continue
            try:
                active = known[vendor.name].state == "active"
                served.append(
                    take_turn(
                        workplace.storage,
                        connector_of(workplace.storage, campaign, vendor),
                        errand,
                        lease_seconds=round(vendor.lease_minutes * 60) if active else None,
                    )
                )
            except LabelRoundsError as error:
                log.warning("vendor %s: %s", vendor.name, error)
                served.append(Served(vendor.name, trouble=str(error)))
    return served


def check_connectors(storage: Storage, campaign: Campaign) -> None:
    """Make every connector of a campaign once, before money is spent: raises UsageError where options are wrong."""
    for vendor in campaign.vendors:
        if vendor.connector is not None:
            connector_of(storage, campaign, vendor)


def connector_of(storage: Storage, campaign: Campaign, vendor: Vendor) -> Connector:
    """Make a vendor's connector; raises UsageError where its options are wrong."""
    from tasks.vendors.registry import Tools, make

    assert vendor.connector is not None
    tools = Tools(vendor.name, campaign.name, storage, dict(os.environ))
    return make(vendor.connector, vendor.options, tools)


def take_turn(storage: Storage, connector: Connector, errand: Errand, *, lease_seconds: int | None) -> Served:
    """Bring what is new, take back what is no longer wanted, and take answers in until none is left.

    It may end anywhere: the next turn begins from the database.

    Parameters
    ----------
    lease_seconds
        How long the vendor may hold a task. None where it may lease nothing: one that is suspended is still
        listened to.
    """
    cursor = errand.cursor()
    after = errand.newest_message()
    if lease_seconds is not None:
        errand.lease()
        errand.prolong(lease_seconds / 2)
    # First taken back: of an item that it lost and leased anew the vendor has one task, the new one.
    gone = errand.given_up(int(cursor.get(_MESSAGES, 0)))
    if gone:
        connector.withdraw(gone)
    offered = connector.offer([_with_urls(storage, offer) for offer in errand.held()])
    cursor = {_MESSAGES: after, _OWN: cursor.get(_OWN, {})}
    errand.remember(cursor)
    counts: dict[str, int] = {}
    portions: set[int] = set()
    while True:
        fetched = connector.fetch(errand.held(), errand.known(), cursor[_OWN])
        found = errand.submit([as_row(row) for row in fetched.rows])
        found += errand.correct([as_change(change) for change in fetched.changes])
        ids = [row.client_annotation_id for row in fetched.rows]
        ids += [change.client_annotation_id for change in fetched.changes]
        verdicts = [
            Verdict(name, told["result"], told["code"], told["field"])
            for name, told in zip(ids, found, strict=True)
        ]
        connector.acknowledge(fetched, verdicts)
        cursor = {**cursor, _OWN: dict(fetched.cursor)}
        errand.remember(cursor)
        for verdict in verdicts:
            counts[verdict.result] = counts.get(verdict.result, 0) + 1
        # A connector that brings a rejected row again and again would keep the turn for ever.
        portion = hash(repr((fetched.rows, fetched.changes)))
        if not ids or portion in portions:
            return Served(errand.vendor, offered, tuple(sorted(counts.items())))
        portions.add(portion)


def as_row(row: Row) -> dict[str, Any]:
    """Write an answer as the database takes it in."""
    told = {
        "client_annotation_id": row.client_annotation_id,
        "assignment_id": row.assignment_id,
        "answer": row.answer,
        "label": list(row.label) if isinstance(row.label, tuple) else row.label,
        "annotator": row.annotator,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "confidence": row.confidence,
        "comment": row.comment,
    }
    return {name: storable(value) for name, value in told.items() if value is not None}


def as_change(change: Change) -> dict[str, Any]:
    """Write a correction as the database takes it in."""
    told = {
        "client_annotation_id": change.client_annotation_id,
        "base_revision": change.base_revision,
        "answer": change.answer,
        "label": list(change.label) if isinstance(change.label, tuple) else change.label,
        "reason": change.reason,
    }
    return {name: storable(value) for name, value in told.items() if value is not None}


def storable(value: Any) -> Any:
    """Replace what Postgres has no text for, NUL and halves of surrogate pairs, and numbers that JSON has not."""
    if isinstance(value, dict):
        return {storable(name): storable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [storable(one) for one in value]
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value


def _with_urls(storage: Storage, offer: Offer) -> Offer:
    """Sign addresses of payload values that are objects in S3: bytes stay there."""
    urls = {
        name: storage.presign(value, URL_SECONDS)
        for name, value in offer.payload.items()
        if isinstance(value, str) and value.startswith("s3://")
    }
    return replace(offer, urls=urls) if urls else offer


def troubles(served: Sequence[Served]) -> list[str]:
    """Name the vendors that could not be served, and why."""
    return [f"vendor {one.vendor}: {one.trouble}" for one in served if one.trouble is not None]
