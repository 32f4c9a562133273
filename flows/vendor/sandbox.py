"""A small campaign to try an integration on: made in the database directly, without pool, model or money."""

from __future__ import annotations

import csv
import json
import random
import uuid
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from flows.vendor.session import SANDBOX
from infra.database import batches, campaigns, queue, rounds, vendors
from infra.database.batches import Limits, Pick, Schema, Seat
from infra.database.campaigns import Offer
from tasks.campaign import parse_campaign
from tasks.errors import NotFound

ITEMS = 200
LEASE_SECONDS = 900
DUE_SECONDS = 30 * 24 * 3600
INSTRUCTIONS = "spam: somebody wants your money or your password; ham: everything else"

SPEC = f"""\
name: {SANDBOX}
classes: [ham, spam]
pool: {{uri: s3://sandbox/none/, payload: [text]}}
budget: {{labels: 1000000}}
batch: {{size: {ITEMS}}}
vendors: [{{name: sandbox, price: 0}}]
"""

HAM = ("Lunch at {n}?", "The minutes of meeting {n} are attached.", "Your parcel {n} was delivered.")
SPAM = (
    "You have won {n} dollars, answer now!",
    "Account {n} is locked: send your password.",
    "{n} % off pills",
)


@dataclass(frozen=True)
class Sandbox:
    """What was published.

    Attributes
    ----------
    round
        Its number; earlier rounds of the sandbox are closed.
    """

    campaign: str
    round: int
    items: int


def publish(engine: sa.Engine, vendor: str, items: int = ITEMS, truth: Path | None = None) -> Sandbox:
    """Publish a round of fresh items to a vendor, beside those that the sandbox was offered to before.

    Parameters
    ----------
    truth
        A CSV file to write texts and labels to, for a simulated vendor.
    """
    spec = parse_campaign(SPEC, SANDBOX)
    names = {vendor, *_known_vendors(engine)}
    offers = [Offer(name, 0, LEASE_SECONDS) for name in sorted(names)]
    campaign = campaigns.register(engine, SANDBOX, json.loads(spec.to_json()), spec.digest, offers)
    _close_open_round(engine, campaign.campaign_id)
    round_ = rounds.open_round(engine, campaign.campaign_id, campaign.spec, spec.digest, None)
    for state in ("trained", "scored"):
        round_ = rounds.store(engine, round_, state)
    rng, mark = random.Random(round_.number), uuid.uuid4().hex[:8]
    texts = [_text(rng, number) for number in range(items)]
    picks = [
        Pick(f"{mark}-{number}", "work", json.dumps({"text": text}), number + 1, None, "{}", None,
             rng.getrandbits(48), (Seat(0),))
        for number, (text, _) in enumerate(texts)
    ]  # fmt: skip
    schema = Schema("classification", spec.classes, INSTRUCTIONS)
    batches.publish(
        engine, round_, picks, schema=schema, exclusive=True, due_seconds=DUE_SECONDS,
        limits=Limits(10**9, None),
    )  # fmt: skip
    if truth is not None:
        with truth.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *texts])
    return Sandbox(SANDBOX, round_.number, items)


def _known_vendors(engine: sa.Engine) -> list[str]:
    try:
        campaign = campaigns.find(engine, SANDBOX)
    except NotFound:
        return []
    return [one.name for one in vendors.vendors_of(engine, campaign.campaign_id)]


def _close_open_round(engine: sa.Engine, campaign_id: int) -> None:
    """End the round that is open, as far as it got: one campaign has one open round."""
    left = rounds.unfinished(engine, campaign_id)
    if left is None:
        return
    if left.state != "published":
        rounds.end(engine, left, "failed", "the sandbox was made anew")
        return
    # Once the first item is complete the share is reached; with none complete, all are withdrawn as well.
    while not queue.withdraw_overdue(engine, left, 0.0):
        continue
    rounds.store(engine, left, "closed")


def _text(rng: random.Random, number: int) -> tuple[str, str]:
    label = rng.choice(("ham", "spam"))
    return rng.choice(HAM if label == "ham" else SPAM).format(
        n=rng.randrange(10, 999)
    ) + f" ({number})", label
