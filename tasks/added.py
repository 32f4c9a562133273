"""What a round adds to the pool's tables before features: vectors of texts, and predictions brought along.

Both are pinned with the round, so that whoever maps a table by the round's space, now or when the round is verified,
gets the same numbers.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.features import FeatureSpace
from tasks.features.given import PredictionBlock
from tasks.features.lists import as_lists
from tasks.reference import Reference

if TYPE_CHECKING:
    from tasks.features.encoder import TextEncoder
    from tasks.pool.manifest import Manifest
    from tasks.pool.schema import Columns
    from tasks.pool.store import ObjectStore
    from tasks.predictions.index import PredictionIndex
    from tasks.predictions.spec import PredictionSpec
    from tasks.predictions.study import Study

log = logging.getLogger(__name__)

VECTOR, PREDICTION = "__vector", "__prediction"
_VECTORS, _INDEXES = "vectors", "predictions"


@dataclass(frozen=True)
class Added:
    """Where the columns come from that tables of the pool do not have.

    Attributes
    ----------
    id : str
        The tables' id column.
    text : tuple of str
        Their text columns.
    encoder : TextEncoder or None
        Makes vectors of the texts.
    predictions : PredictionIndex or None
    """

    id: str = ""
    text: tuple[str, ...] = ()
    encoder: TextEncoder | None = None
    predictions: PredictionIndex | None = None

    def columns(self, columns: Columns) -> Columns:
        """Give the pool's columns with the vectors among the embeddings."""
        if self.encoder is None:
            return columns
        return replace(
            columns,
            embedding=(*columns.embedding, VECTOR),
            dimensions=(*columns.dimensions, self.encoder.dimension),
        )

    def to(self, table: pa.Table, wanted: frozenset[str] = frozenset({VECTOR, PREDICTION})) -> pa.Table:
        """Append the wanted columns to a table with ids and texts."""
        if self.encoder is not None and VECTOR in wanted:
            from tasks.features.vectors import add_vectors

            table = add_vectors(table, self.text, self.encoder, VECTOR)
        if self.predictions is not None and PREDICTION in wanted:
            rows = self.predictions.look_up(table.column(self.id))
            # NaN where there is none.
            table = table.append_column(PREDICTION, as_lists(rows))
        return table


@dataclass(frozen=True)
class RoundSpace(FeatureSpace):
    """A feature space that brings along what the pool's tables do not have.

    Attributes
    ----------
    added : Added
    """

    added: Added = field(default_factory=Added)

    def transform(self, table: pa.Table) -> NDArray[np.float32]:
        """Map rows of the pool; see `FeatureSpace.transform`."""
        wanted = frozenset(str(getattr(block, "column", "")) for block in self.blocks)
        return super().transform(self.added.to(table, wanted))

    @classmethod
    def of(cls, space: FeatureSpace, added: Added) -> RoundSpace:
        """Tell a space where its columns come from."""
        return cls(space.blocks, space.distances, space.view, added)


def has_prediction(space: FeatureSpace, X: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark the rows of a matrix that have a prediction, bool (n,); all of them where the campaign brings none."""
    if not isinstance(space.blocks[-1], PredictionBlock):
        return np.ones(len(X), np.bool_)
    return ~np.isnan(X[:, -1])


def pins(workplace: Workplace, campaign: Campaign, manifest: Manifest) -> dict[str, Any]:
    """Find what a round adds to the pool, check it, and give what fixes it, for the round's measures.

    Raises
    ------
    UsageError
        Predictions that are none or of other items, or a text model that does not load.
    """
    found: dict[str, Any] = {}
    if campaign.features.text_model is not None:
        encoder = text_encoder(campaign, manifest.columns)
        found["text_model"] = {"name": encoder.name, "dimension": encoder.dimension}
        log.info("texts are encoded by %s, %d numbers each", encoder.name, encoder.dimension)
    spec = campaign.prediction_spec
    if spec is not None:
        with tempfile.TemporaryDirectory(prefix="labelrounds-predictions-") as folder:
            path = Path(folder) / "index.bin"
            study = study_predictions(workplace.storage, campaign, spec, manifest, path)
            index = workplace.keep_file(_INDEXES, "index.bin", path, study.sha256, study.rows)
        found["predictions"] = {**study.to_json(), "index": index.to_json()}
        log.info("%d predictions, for %d of %d items", study.rows, study.items - study.missing, study.items)
        if study.missing:
            log.warning(
                "%d items have no prediction, such as %s", study.missing, ", ".join(study.missing_examples)
            )
    return found


def study_predictions(
    store: ObjectStore, campaign: Campaign, spec: PredictionSpec, manifest: Manifest, path: Path
) -> Study:
    """Read a campaign's predictions, write them as an index, and count the items that they cover.

    Raises
    ------
    UsageError
        See `tasks.predictions.study`.
    """
    from tasks.predictions.index import PredictionIndex
    from tasks.predictions.study import build_index, cover

    assert campaign.predictions is not None
    study = build_index(store, spec, path)
    return cover(
        study, PredictionIndex.open(path), _ids(store, manifest),
        max_missing=campaign.predictions.max_missing, uri=spec.uri,
    )  # fmt: skip


def _ids(store: ObjectStore, manifest: Manifest) -> Iterator[pa.ChunkedArray]:
    from tasks.pool.read import read_pool

    for chunk in read_pool(store, manifest, names=()):
        yield chunk.table.column(manifest.columns.id)


def added_of(workplace: Workplace, campaign: Campaign, columns: Columns, measures: dict[str, Any]) -> Added:
    """Give what a round adds to the pool's tables.

    Parameters
    ----------
    columns
        Of the round's manifest.
    measures
        Of the round, with what `pins` found.

    Raises
    ------
    UsageError
        The text model is no longer what it was when the round began.
    """
    from tasks.predictions.index import PredictionIndex

    encoder = predictions = None
    if "text_model" in measures:
        encoder = _cached(workplace, text_encoder(campaign, columns))
        pinned = measures["text_model"]["name"]
        if encoder.name != pinned:
            raise UsageError(
                f"features.text_model: the round was begun with {pinned}, and now there is {encoder.name}; "
                "put the model back, or open a new round"
            )
    if "predictions" in measures:
        stored = Reference.from_json(measures["predictions"]["index"])
        predictions = PredictionIndex.open(workplace.local(stored))
    return Added(columns.id, columns.text, encoder, predictions)


def text_encoder(campaign: Campaign, columns: Columns) -> TextEncoder:
    """Give the campaign's text model; it is loaded when it is first needed.

    Raises
    ------
    UsageError
        The pool has no text, or sentence-transformers is not installed.
    """
    from tasks.features.encoder import LaterEncoder

    features = campaign.features
    assert features.text_model is not None
    if not columns.text:
        raise UsageError(f"features.text_model: {campaign.pool.uri} has no text column; leave it out")
    return LaterEncoder(
        features.text_model, revision=features.text_model_revision, device=campaign.model.device
    )


def _cached(workplace: Workplace, encoder: TextEncoder) -> TextEncoder:
    from tasks.features.vectors import CachedEncoder

    folder = f"s3://{workplace.settings.artifact_bucket}/{_VECTORS}"
    return CachedEncoder(encoder, workplace.storage, folder)
