"""Whether a round's batch follows from manifest, model, configuration and seed alone: choose it anew and compare."""

from __future__ import annotations

from dataclasses import dataclass

from flows.place import find_campaign
from infra.database import rounds
from infra.settings import Settings
from infra.workplace import Workplace
from tasks.choice import known_of
from tasks.errors import UsageError
from tasks.outputs import campaign_of, manifest_of, model_of
from tasks.score import Scan
from tasks.select import ITEM, KIND, RANK, draw_audit, pick_work, stored_table


@dataclass(frozen=True)
class Verification:
    """What came of choosing a batch anew.

    Parameters
    ----------
    differing
        Items that only one of the two batches has, or has at another rank; at most ten.
    """

    campaign: str
    round: int
    items: int
    same: bool
    differing: tuple[str, ...]
    sentence: str


def verify(settings: Settings, campaign: str, number: int) -> Verification:
    """Score the pinned pool with the stored model, choose again, and compare with the stored batch.

    Parameters
    ----------
    campaign
        File or name.
    number
        The round.

    Raises
    ------
    NotFound
        There is no such round.
    UsageError
        The round chose no batch.
    PoolChanged
        An object of the pool is no longer what the manifest pinned.
    """
    place = Workplace(settings)
    try:
        name = find_campaign(place, campaign).name
        round_ = rounds.round_number(place.engine, name, number)
        measures = round_.measures or {}
        if round_.batch is None or "taken" not in measures:
            raise UsageError(f"campaign {name}: round {number} is {round_.state} and has chosen no batch")
        # What is asked again follows from the vendors' answers of that time.
        stored = [row for row in place.fetch_table(round_.batch).to_pylist() if row[KIND] != "relabel"]
        spec = campaign_of(round_)
        taken = stored_table(place, round_, "taken")
        scan = Scan(place, round_, spec, manifest_of(place, round_), taken)
        for _ in scan.run():
            pass
        id_column = scan.manifest.columns.id
        work = sum(row[KIND] == "work" for row in stored)
        known = known_of(place, round_, scan.known(), taken)
        again = [
            *pick_work(place, round_, scan.shortlist(), known, work),
            *draw_audit(scan.audit(), id_column, len(stored) - work, spec, round_, model_of(place, round_)),
        ]
        before, after = ({(row[ITEM], row[KIND], row[RANK]) for row in rows} for rows in (stored, again))
    finally:
        place.close()
    differing = tuple(sorted({item for item, _, _ in before ^ after}))[:10]
    same = before == after
    found = "the same, item by item" if same else f"not the same: {', '.join(differing)}"
    sentence = f"campaign {name}, round {number}: chosen anew, the batch of {len(stored)} items is {found}"
    return Verification(name, number, len(stored), same, differing, sentence)
