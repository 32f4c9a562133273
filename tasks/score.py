"""Score the pool shard by shard; what is left is a bounded shortlist and the audit's reserve."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import labels as label_store
from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.added import has_prediction
from tasks.audit import DRAWN, RANK, WEIGHT, oversampled, reserve_size
from tasks.campaign import Campaign
from tasks.choice import (
    MATRIX,
    SOURCE,
    TAKEN,
    description_of,
    generator,
    known_classes,
    shortlist_size,
    strategy_of,
)
from tasks.features.lists import as_lists
from tasks.matrices import matrices
from tasks.outputs import campaign_of, folder, manifest_of
from tasks.report import ScoringProgress
from tasks.step import step
from tasks.targets import targets_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.pool.manifest import Manifest
    from tasks.pool.sampling import BottomK

log = logging.getLogger(__name__)

HISTOGRAM_ROWS = 5_000
WATCHED_ITEMS = 2_000
"""Of the sample on which successive models and pools are compared: the same part of the pool in every round."""
SCORE, PREDICTED = "__score", "__predicted"


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
    taken = taken_table(label_store.taken_items(workplace.engine, round_.campaign_id))
    scan = Scan(workplace, round_, campaign, manifest, taken)
    with ScoringProgress(manifest.rows, round_) as progress:
        for rows in scan.run():
            progress.advance(rows)
    shortlist = workplace.keep_table(folder(round_), "shortlist", scan.shortlist())
    audit = workplace.keep_table(folder(round_), "audit", scan.audit())
    measures = {**(round_.measures or {}), "pool": scan.summary()}
    # What was not free then, so that the choice can be verified later.
    measures["taken"] = workplace.keep_table(folder(round_), "taken", taken).to_json()
    measures["known"] = workplace.keep_table(folder(round_), "known", scan.known()).to_json()
    measures["watched"] = workplace.keep_table(folder(round_), "watched", scan.watched()).to_json()
    log.info("%d of %d items are free; %d on the shortlist", scan.free, manifest.rows, shortlist.rows)
    return rounds.store(
        workplace.engine, round_, "scored", shortlist=shortlist, audit=audit, measures=measures
    )


class Scan:
    """One pass over the pool, collecting shortlist, audit reserve and a sample of scores.

    Parameters
    ----------
    taken
        Ids that are labelled, in flight or answered, and what chose them; from `taken_table`.
    """

    def __init__(
        self, workplace: Workplace, round_: Round, campaign: Campaign, manifest: Manifest, taken: pa.Table
    ) -> None:
        import pyarrow as pa

        from tasks.pool.sampling import BottomK, purpose_key
        from tasks.strategies import Shortlist, score_needs, stages, tie_key, wants

        self.workplace, self.round, self.campaign, self.manifest = workplace, round_, campaign, manifest
        strategy = strategy_of(round_, campaign, manifest.columns)
        self.description = description_of(workplace, round_, strategy)
        self.stages = stages(strategy)
        self.fields = frozenset().union(*(score_needs(stage) for stage in self.stages)) | {"proba"}
        self.taken = taken.column(TAKEN).combine_chunks()
        self.seed_ids = pa.array(
            [
                one.item_id
                for one in label_store.current_labels(workplace.engine, round_.campaign_id)
                if one.kind == "seed"
            ],
            pa.string(),
        )
        self.free = self.drawable = 0
        self.known_classes = known_classes(workplace, round_)
        # Only these strategies look at what is labelled or in flight.
        self.keeps_known = any(name[:6] == "known_" or name == "features" for name in wants(strategy))
        self._known: list[pa.Table] = []
        # The reserve is the same part of the pool in every round, and no model ever chooses from it: that is
        # what keeps the audit a uniform draw although the rest of the pool is picked over.
        self.skips = campaign.predictions is not None and campaign.predictions.missing == "skip"
        self.reserve_size = reserve_size(campaign, manifest.rows)
        self._reserve: BottomK = BottomK(max(1, self.reserve_size), purpose_key(campaign.seed, "audit"))
        self.size = shortlist_size(strategy, campaign, len(self.description.space.names))
        key = tie_key(generator(campaign, round_))
        self._shortlists = [Shortlist(self.size + self.reserve_size, key) for _ in self.stages]
        self._sample: BottomK = BottomK(HISTOGRAM_ROWS, purpose_key(campaign.seed, "histogram"))
        self._watched: BottomK = BottomK(WATCHED_ITEMS, purpose_key(campaign.seed, "watched"))

    def run(self) -> Iterator[int]:
        """Walk over the pool; yields the rows of each chunk when it is done."""
        import pyarrow as pa
        import pyarrow.compute as pc

        assert self.round.features is not None
        id_column = self.manifest.columns.id
        quotas = self.campaign.strategy.quotas
        group = () if quotas is None or quotas.group is None else (quotas.group,)
        shown = list(
            dict.fromkeys(
                (
                    id_column,
                    *self.campaign.pool.payload,
                    *group,
                    *self.campaign.skill_columns,
                    *self.campaign.audit_columns,
                )
            )
        )
        space = self.description.space
        for table, X in matrices(self.workplace, self.manifest, space, self.round.features.uri, shown):
            ids = table.column(id_column)
            self._watched.update(ids, _known_table(ids, X))
            if self.reserve_size:
                self._offer_to_the_audit(table.select(shown), X)
            free = pc.invert(pc.is_in(ids, self.taken))
            mask = np.array(free)
            if self.keeps_known and not mask.all():
                self._known.append(_known_table(ids.filter(pc.invert(free)), X[~mask]))
            if self.skips:
                mask &= has_prediction(space, X)
            if mask.any():
                self._consider(table.select(shown).filter(pa.array(mask)), X[mask])
            yield table.num_rows

    def _offer_to_the_audit(self, table: pa.Table, X: NDArray[np.float32]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.campaign.audit.mode == "active":
            table = table.append_column(MATRIX, as_lists(X))
        rows = table.filter(pc.invert(pc.is_in(table.column(self.manifest.columns.id), self.seed_ids)))
        self.drawable += rows.num_rows
        weight = oversampled(self.campaign, rows)
        shown = np.ones(rows.num_rows) if weight is None else weight
        rows = rows.append_column(WEIGHT, pa.array(shown, pa.float64()))
        self._reserve.update(rows.column(self.manifest.columns.id), rows, weight)

    def _consider(self, table: pa.Table, X: NDArray[np.float32]) -> None:
        import pyarrow as pa

        ids = table.column(self.manifest.columns.id)
        names = np.asarray(ids.to_pylist(), dtype=object)
        candidates = self.description.candidates(names, X, self.fields)
        if "known_classes" in self.fields:
            candidates = replace(candidates, known_classes=self.known_classes)
        scores = [stage.score(candidates, generator(self.campaign, self.round)) for stage in self.stages]
        self.free += table.num_rows
        proba = candidates.proba
        predicted = np.full(len(X), -1) if proba is None else proba.argmax(axis=1)
        self._sample.update(ids, pa.table({SCORE: pa.array(scores[0], pa.float32()), PREDICTED: predicted}))
        table = table.append_column(MATRIX, as_lists(X))
        for shortlist, score in zip(self._shortlists, scores, strict=True):
            shortlist.update(score, ids, table)

    def shortlist(self) -> pa.Table:
        """Give the candidates of all stages, most worth first, without those that the audit reserves."""
        import pyarrow as pa
        import pyarrow.compute as pc

        id_column = self.manifest.columns.id
        tables = [table for one in self._shortlists if (table := one.result()) is not None]
        if not tables:
            return pa.table({id_column: pa.array([], pa.string())})
        if self.reserve_size:
            reserved = self._reserve.result().column(id_column).combine_chunks()
            tables = [
                table.filter(pc.invert(pc.is_in(table.column(id_column), reserved))) for table in tables
            ]
        union = tables[0].slice(0, self.size)
        for table in tables[1:]:
            more = table.slice(0, self.size)
            new = pc.invert(pc.is_in(more.column(id_column), union.column(id_column).combine_chunks()))
            union = pa.concat_tables([union, more.filter(new)])
        return union

    def known(self) -> pa.Table:
        """Give ids and matrix of what is labelled or in flight in the pool; no row where the strategy looks at none."""
        import pyarrow as pa

        width = len(self.description.space.names)
        none = _known_table(pa.array([], pa.string()), np.zeros((0, width), np.float32))
        return pa.concat_tables([none, *self._known])

    def audit(self) -> pa.Table:
        """Give the audit's reserve in the order of its draw, with what is still to be drawn marked."""
        import pyarrow as pa
        import pyarrow.compute as pc

        reserve = self._reserve.result()
        if not self.reserve_size or reserve is None:
            return pa.table({self.manifest.columns.id: pa.array([], pa.string())})
        drawn = pc.is_in(reserve.column(self.manifest.columns.id), self.taken)
        return reserve.append_column(DRAWN, drawn).append_column(RANK, pa.array(self._reserve.ranks))

    def watched(self) -> pa.Table:
        """Give ids and matrix of a uniform sample of the whole pool, labelled items among it."""
        return self._watched.result()

    def _reserved_free(self) -> int:
        """Count free items that are kept for the audit, from which no strategy chooses."""
        audit = self.audit()
        return audit.column(DRAWN).to_pylist().count(False) if audit.num_rows else 0

    def summary(self) -> dict[str, Any]:
        """Count the pool and keep a uniform sample of its scores and predicted classes."""
        from tasks.strategies.assembly import source_of

        sample = self._sample.result() if self.free else None
        return {
            "items": self.manifest.rows,
            "measure": source_of(self.stages[0]),
            "free": self.free,
            "drawable": self.drawable,
            "choosable": self.free - self._reserved_free(),
            "scores": [] if sample is None else np.asarray(sample.column(SCORE)).round(5).tolist(),
            "predicted": []
            if sample is None or self.description.model is None
            else targets_of(self.campaign).predicted(np.asarray(sample.column(PREDICTED))),
            "set_aside": [
                {"reason": one.reason, "count": one.count, "examples": list(one.examples)}
                for one in self.manifest.set_aside
            ],
        }


def taken_table(taken: dict[str, str]) -> pa.Table:
    """Put what is not free, and what chose it, into a table in an order of its own."""
    import pyarrow as pa

    ids = sorted(taken)
    return pa.table(
        {TAKEN: pa.array(ids, pa.string()), SOURCE: pa.array([taken[i] for i in ids], pa.string())}
    )


def _known_table(ids: Any, X: NDArray[np.float32]) -> pa.Table:
    import pyarrow as pa

    return pa.table({TAKEN: ids.cast(pa.string()), MATRIX: as_lists(X)})
