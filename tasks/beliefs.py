"""What to believe of the campaign's items, by all answers so far."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from infra.database import labels as label_store
from infra.database.labels import Answer, Inferred, Version
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.targets import Believed, targets_of

log = logging.getLogger(__name__)

MOVED = 0.1
"""A belief whose confidence moved by less, on the same answers, is no new version."""


@dataclass(frozen=True)
class Source:
    """Who answers: a vendor, or one of its people where these count."""

    vendor_id: int
    annotator: str = ""


@dataclass(frozen=True)
class Beliefs:
    """What is believed of all items that have answers.

    Attributes
    ----------
    items : list of str (n_items,)
        Ids; gold items are among them under ``None``.
    answers : dict of str to list of Answer
        By item, without gold.
    sources : list of Source (n_sources,)
    believed : Believed
    """

    items: list[str | None]
    answers: dict[str, list[Answer]]
    sources: list[Source]
    believed: Believed

    @property
    def place(self) -> dict[str, int]:
        """Give the row of each item."""
        return {item: row for row, item in enumerate(self.items) if item is not None}


def believe(
    workplace: Workplace,
    campaign_id: int,
    campaign: Campaign,
    *,
    unseen: dict[str, list[float]] | None = None,
) -> Beliefs | None:
    """Infer what all answers of a campaign say; None while there are none.

    Parameters
    ----------
    unseen
        What models say of labelled items that they did not see, by class; else what was said of them when they were
        chosen.
    """
    answers = label_store.counted_answers(workplace.engine, campaign_id)
    if not answers:
        return None
    keys = list(dict.fromkeys(_key(answer) for answer in answers))
    place = {key: row for row, key in enumerate(keys)}
    by_person = campaign.distinct_by == "annotator"
    told = [Source(answer.vendor_id, (answer.annotator or "") if by_person else "") for answer in answers]
    sources = sorted(set(told), key=lambda one: (one.vendor_id, one.annotator))
    number = {source: code for code, source in enumerate(sources)}
    expected = {_key(answer): answer.expected for answer in answers}
    said = label_store.witnesses(workplace.engine, campaign_id) if unseen is None else unseen
    witness = np.full((len(keys), len(campaign.classes)), np.nan, np.float32)
    for (kind, item), row in place.items():
        if kind != "gold" and len(said.get(item, ())) == len(campaign.classes):
            witness[row] = said[item]
    believed = targets_of(campaign).believe(
        np.array([place[_key(answer)] for answer in answers], np.int64),
        np.array([number[source] for source in told], np.int64),
        [answer.label for answer in answers],
        method=campaign.truth.method,
        witness=witness,
        known=[expected[key] for key in keys],
    )
    by_item: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.kind != "gold":
            by_item.setdefault(answer.item_id, []).append(answer)
    return Beliefs([None if kind == "gold" else item for kind, item in keys], by_item, sources, believed)


def make_labels(workplace: Workplace, round_: Round, campaign: Campaign, beliefs: Beliefs | None) -> int:
    """Store what is believed of items whose answers are in, where it is new.

    Items that all vendors skipped get no label; a label whose answers were all taken back is withdrawn.

    Returns
    -------
    int
        Labels stored, new versions among them.
    """
    newest = label_store.newest_labels(workplace.engine, round_.campaign_id)
    inferred = [] if beliefs is None else list(_changed(beliefs, newest))
    answered = set() if beliefs is None else set(beliefs.answers)
    inferred += [
        Inferred(old.item_id, old.version + 1, old.kind, old.label, 0.0, (), round_.round_id, True)
        for old in newest.values()
        if old.inputs and not old.withdrawn and old.item_id not in answered
    ]  # fmt: skip
    method = campaign.truth.method if beliefs is None else beliefs.believed.method
    return label_store.insert_labels(workplace.engine, round_.campaign_id, inferred, method)


def _changed(beliefs: Beliefs, newest: dict[str, Version]) -> list[Inferred]:
    place, found = beliefs.place, []
    for item, answers in beliefs.answers.items():
        if any(answer.state == "open" for answer in answers):
            continue
        row, old = place[item], newest.get(item)
        label, confidence = beliefs.believed.labels[row], float(beliefs.believed.confidence[row])
        inputs = tuple(answer.annotation_id for answer in answers)
        if old is not None and (old.kind == "seed" or _is_same(old, label, confidence, inputs)):
            continue
        kind = next((answer.kind for answer in answers if answer.kind in ("work", "audit")), "work")
        version = 1 if old is None else old.version + 1
        weight = float(beliefs.believed.weight[row])
        found.append(
            Inferred(item, version, kind, label, confidence, inputs, answers[-1].round_id, weight=weight)
        )
    return found


def _is_same(old: Version, label: str, confidence: float, inputs: tuple[int, ...]) -> bool:
    moved = abs(old.confidence - confidence) >= MOVED
    return old.label == label and old.inputs == inputs and not moved and not old.withdrawn


def _key(answer: Answer) -> tuple[str, str]:
    # Gold is asked with the label known: apart from what might have been bought of the same item.
    return ("gold" if answer.kind == "gold" else "item", answer.item_id)
