"""Score the pool shard by shard; what is left is a bounded shortlist and the audit's reserve."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import labels as label_store
from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.matrices import matrices
from tasks.outputs import campaign_of, folder, manifest_of, model_of, space_of
from tasks.report import ScoringProgress
from tasks.step import step

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.models import Model
    from tasks.pool.manifest import Manifest
    from tasks.pool.sampling import BottomK
    from tasks.strategies import Strategy

log = logging.getLogger(__name__)

COLD_START = "cluster_cover"
HISTOGRAM_ROWS = 5_000
SCORE, PROBA, FEATURES, PREDICTED, TAKEN = "__score", "__proba", "__features", "__predicted", "item_id"


def strategy_of(round_: Round, campaign: Campaign) -> Strategy:
    """Give the campaign's strategy, or the cover of a cold start."""
    from tasks.strategies import get

    return get(
        campaign.strategy.name
        if round_.model is not None or campaign.strategy.name == "random"
        else COLD_START
    )


def generator(campaign: Campaign, round_: Round) -> np.random.Generator:
    """Make the round's generator for choosing: each call begins it anew.

    Scoring and selecting begin from the same seed, so that ties fall the same way in both and the batch is the
    one that a look at the whole pool at once would give.
    """
    from tasks.pool.sampling import purpose_key

    return np.random.default_rng(purpose_key(campaign.seed, f"choice:{round_.number}"))


@step("score the pool")
def score(workplace: Workplace, round_: Round) -> Round:
    """Walk over the pool with the model and keep the candidates that the strategy finds most worth labeling.

    Peak memory depends on the chunk and on the shortlist, not on the pool. Labelled, in-flight and audit items
    are left out of the shortlist.
    """
    if round_.state != "trained":
        return round_
    campaign = campaign_of(round_)
    manifest = manifest_of(workplace, round_)
    taken = label_store.taken_items(workplace.engine, round_.campaign_id)
    scan = Scan(workplace, round_, campaign, manifest, taken)
    with ScoringProgress(manifest.rows, round_) as progress:
        for rows in scan.run():
            progress.advance(rows)
    shortlist = workplace.keep_table(folder(round_), "shortlist", scan.shortlist())
    audit = workplace.keep_table(folder(round_), "audit", scan.audit())
    measures = {**(round_.measures or {}), "pool": scan.summary()}
    # What was not free then, so that the choice can be verified later.
    measures["taken"] = workplace.keep_table(folder(round_), "taken", taken_table(taken)).to_json()
    known = scan.known_features()
    if known is not None:
        reference = workplace.keep_array(folder(round_), "known", known)
        measures["known"] = reference.to_json()
    log.info("%d of %d items are free; %d on the shortlist", scan.free, manifest.rows, shortlist.rows)
    return rounds.store(
        workplace.engine, round_, "scored", shortlist=shortlist, audit=audit, measures=measures
    )


def reserve_size(campaign: Campaign, items: int) -> int:
    """Give how many items all audits of the campaign can need: budget or pool may be what ends first."""
    total = min(campaign.budget.labels, items)
    size = min(campaign.batch.size, total)
    return math.ceil(total / size) * campaign.batch.audit_items(size)


class Scan:
    """One pass over the pool, collecting shortlist, audit reserve and a sample of scores.

    Parameters
    ----------
    taken
        Ids that are labelled, in flight or answered.
    """

    def __init__(
        self, workplace: Workplace, round_: Round, campaign: Campaign, manifest: Manifest, taken: list[str]
    ) -> None:
        import pyarrow as pa

        from tasks.pool.sampling import BottomK, purpose_key
        from tasks.strategies import Shortlist, tie_key

        self.workplace, self.round, self.campaign, self.manifest = workplace, round_, campaign, manifest
        self.strategy = strategy_of(round_, campaign)
        self.space = space_of(workplace, round_)
        self.model: Model | None = model_of(workplace, round_)
        self.taken = pa.array(taken, pa.string())
        self.seed_ids = pa.array(
            [
                one.item_id
                for one in label_store.current_labels(workplace.engine, round_.campaign_id)
                if one.kind == "seed"
            ],
            pa.string(),
        )
        self.free = self.drawable = 0
        self.strategy_sees_features = "features" in self.strategy.needs
        self._known: list[NDArray[np.float32]] = []
        # The reserve is the same part of the pool in every round, and no model ever chooses from it: that is
        # what keeps the audit a uniform draw although the rest of the pool is picked over.
        self.reserve_size = reserve_size(campaign, manifest.rows)
        self._reserve: BottomK = BottomK(max(1, self.reserve_size), purpose_key(campaign.seed, "audit"))
        self._shortlist = Shortlist(
            campaign.shortlist + self.reserve_size, tie_key(generator(campaign, round_))
        )
        self._sample: BottomK = BottomK(HISTOGRAM_ROWS, purpose_key(campaign.seed, "histogram"))

    def run(self) -> Iterator[int]:
        """Walk over the pool; yields the rows of each chunk when it is done."""
        import pyarrow.compute as pc

        assert self.round.features is not None
        id_column = self.manifest.columns.id
        shown = list(dict.fromkeys((id_column, *self.campaign.pool.payload)))
        for table, X in matrices(self.workplace, self.manifest, self.space, self.round.features.uri, shown):
            ids = table.column(id_column)
            if self.reserve_size:
                drawable = pc.invert(pc.is_in(ids, self.seed_ids))
                rows = table.select(shown).filter(drawable)
                self.drawable += rows.num_rows
                self._reserve.update(rows.column(id_column), rows)
            free = pc.invert(pc.is_in(ids, self.taken))
            mask = np.asarray(free)
            if self.strategy_sees_features:
                self._known.append(self.space.embed(X[~mask]))
            if mask.any():
                self._consider(table.select(shown).filter(free), X[mask])
            yield table.num_rows

    def _consider(self, table: pa.Table, X: NDArray[np.float32]) -> None:
        import pyarrow as pa

        from tasks.strategies import Candidates

        ids = table.column(self.manifest.columns.id)
        proba = None if self.model is None else self.model.predict(X)
        embedded = self.space.embed(X) if self.strategy_sees_features else None
        candidates = Candidates(ids=np.asarray(ids.to_pylist(), dtype=object), proba=proba, features=embedded)
        scores = self.strategy.score(candidates, generator(self.campaign, self.round))
        self.free += table.num_rows
        table = table.append_column(SCORE, pa.array(scores, pa.float32()))
        predicted = np.full(len(X), -1) if proba is None else proba.argmax(axis=1)
        self._sample.update(ids, pa.table({SCORE: table.column(SCORE), PREDICTED: predicted}))
        if proba is not None:
            table = table.append_column(PROBA, _lists(proba))
        if embedded is not None:
            table = table.append_column(FEATURES, _lists(embedded))
        self._shortlist.update(scores, ids, table)

    def shortlist(self) -> pa.Table:
        """Give the candidates, most worth first, without those that the audit reserves."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = self._shortlist.result()
        if table is None:
            return pa.table({self.manifest.columns.id: pa.array([], pa.string())})
        if self.reserve_size:
            reserved = self._reserve.result().column(self.manifest.columns.id).combine_chunks()
            table = table.filter(pc.invert(pc.is_in(table.column(self.manifest.columns.id), reserved)))
        return table.slice(0, self.campaign.shortlist)

    def known_features(self) -> NDArray[np.float32] | None:
        """Give the features of what is labelled or in flight, which diversity counts as cover."""
        return np.concatenate(self._known) if self._known else None

    def audit(self) -> pa.Table:
        """Give the audit's reserve in the order of its draw, with what is still to be drawn marked."""
        import pyarrow as pa
        import pyarrow.compute as pc

        reserve = self._reserve.result()
        if not self.reserve_size or reserve is None:
            return pa.table({self.manifest.columns.id: pa.array([], pa.string())})
        return reserve.append_column(
            "__drawn", pc.is_in(reserve.column(self.manifest.columns.id), self.taken)
        )

    def summary(self) -> dict[str, Any]:
        """Count the pool and keep a uniform sample of its scores and predicted classes."""
        sample = self._sample.result() if self.free else None
        return {
            "items": self.manifest.rows,
            "free": self.free,
            "drawable": self.drawable,
            "scores": [] if sample is None else np.asarray(sample.column(SCORE)).round(5).tolist(),
            "predicted": []
            if sample is None or self.model is None
            else np.bincount(
                np.asarray(sample.column(PREDICTED)), minlength=len(self.campaign.classes)
            ).tolist(),
            "set_aside": [
                {"reason": one.reason, "count": one.count, "examples": list(one.examples)}
                for one in self.manifest.set_aside
            ],
        }


def taken_table(ids: list[str]) -> pa.Table:
    """Put the ids that are not free into a table, in an order of their own."""
    import pyarrow as pa

    return pa.table({TAKEN: pa.array(sorted(ids), pa.string())})


def _lists(matrix: NDArray[np.float32]) -> pa.FixedSizeListArray:
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
