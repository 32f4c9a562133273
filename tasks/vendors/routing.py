"""Which vendors an item's tasks are for: what they are able to label, and their shares of the work."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

Route = tuple[tuple[int, ...] | None, tuple[int, ...] | None]
"""Vendors that may take a task, and those that it may go to when they are late; None for all of the campaign."""


@dataclass(frozen=True)
class Worker:
    """A vendor as routing sees it.

    Attributes
    ----------
    price_micro
        Of one answer.
    share
        Of the work; None where vendors take what they want.
    skills
        Column to the values that it is able to label; a vendor without any labels everything.
    classes
        What it knows best: items that the model believes to be of other classes are not for it.
    senior
        Asked only where others disagree.
    """

    vendor_id: int
    name: str
    price_micro: int
    share: float | None = None
    skills: Mapping[str, Collection[str]] = field(default_factory=dict)
    classes: Collection[str] = ()
    senior: bool = False

    def is_able(self, traits: Mapping[str, str | None], predicted: str | None) -> bool:
        """Tell whether it labels items like this.

        Parameters
        ----------
        traits
            The item's values in the columns that skills name; None where it has none.
        predicted
            The class that the model believes; None without a model.
        """
        skilled = all(traits.get(column) in values for column, values in self.skills.items())
        return skilled and (predicted is None or not self.classes or predicted in self.classes)


def routes(
    workers: Sequence[Worker],
    traits: Mapping[str, str | None],
    predicted: str | None,
    overlap: int,
    key: int,
    *,
    exclusive: bool,
    without: Collection[int] = (),
) -> list[Route]:
    """Give each task of an item to vendors.

    Parameters
    ----------
    workers
        The campaign's active vendors.
    overlap
        Tasks that are wanted.
    key
        Number of the item: the draw by shares is the same whenever it is made.
    exclusive
        Whether each task is for another vendor.
    without
        Vendors that have answered the item before.

    Returns
    -------
    list of Route
        At most `overlap`; fewer where there are fewer vendors. An item that nobody is able to label is for all.
    """
    ordinary = [one for one in workers if not one.senior and one.vendor_id not in without]
    able = [one for one in ordinary if one.is_able(traits, predicted)] or ordinary
    if not able:
        return []
    everybody = len(able) == len(workers)
    capable = None if everybody else tuple(one.vendor_id for one in able)
    tasks = min(overlap, len(able)) if exclusive else overlap
    if able[0].share is None:
        return [(capable, capable)] * tasks
    if exclusive:
        return [((one.vendor_id,), capable) for one in _drawn(able, key, 0)[:tasks]]
    return [((_drawn(able, key, task)[0].vendor_id,), capable) for task in range(tasks)]


def seniors(workers: Sequence[Worker], without: Collection[int]) -> tuple[int, ...]:
    """Give the senior vendors that have not answered an item yet."""
    return tuple(one.vendor_id for one in workers if one.senior and one.vendor_id not in without)


def _drawn(able: Sequence[Worker], key: int, task: int) -> list[Worker]:
    """Order vendors by a draw without replacement, weighted by share (Efraimidis and Spirakis, 2006)."""

    def place(one: Worker) -> float:
        digest = hashlib.blake2b(f"{key}:{task}:{one.vendor_id}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(digest, "big") + 1) / 2**64
        assert one.share is not None
        return float(uniform ** (1 / one.share))

    return sorted(able, key=place, reverse=True)
