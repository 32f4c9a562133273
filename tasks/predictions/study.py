"""What there is of predictions, and how much of the pool they cover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.errors import UsageError
from tasks.pool.store import ObjectStore
from tasks.predictions.index import IndexBuilder, PredictionIndex, RepeatedId
from tasks.predictions.read import list_predictions, read_predictions
from tasks.predictions.spec import PredictionSpec

_EXAMPLES = 3


@dataclass(frozen=True)
class PredictedObject:
    """One object of predictions as it was read."""

    uri: str
    etag: str
    size: int


@dataclass(frozen=True)
class Study:
    """What predictions say of a pool.

    Attributes
    ----------
    rows : int
        Items with a prediction.
    sha256 : str
        Of the index: equal predictions have equal digests, however they are spread over objects.
    objects : tuple of PredictedObject
    examples : tuple of str
        The first ids.
    items, missing : int
        Items of the pool, and how many of them have no prediction.
    missing_examples : tuple of str
    """

    rows: int
    sha256: str
    objects: tuple[PredictedObject, ...]
    examples: tuple[str, ...]
    items: int = 0
    missing: int = 0
    missing_examples: tuple[str, ...] = ()

    @property
    def unused(self) -> int:
        """Predictions of items that are not in the pool: labelled files', or of items that went."""
        return self.rows - (self.items - self.missing)

    def to_json(self) -> dict[str, Any]:
        """Give it in plain types."""
        return {**asdict(self), "unused": self.unused}


def build_index(store: ObjectStore, spec: PredictionSpec, path: Path) -> Study:
    """Read and check all predictions, and write them as an index.

    Raises
    ------
    UsageError
        Nothing is there, a row is no prediction, or an id has two.
    PoolChanged, ServiceUnavailable
        From the store.
    """
    listed = list_predictions(store, spec.uri)
    examples: list[str] = []
    with IndexBuilder(len(spec.outputs)) as builder:
        for part in read_predictions(store, listed, spec):
            if len(examples) < _EXAMPLES:
                examples += part.ids.slice(0, _EXAMPLES - len(examples)).to_pylist()
            builder.add(part.ids, part.proba, part.object_no, part.row_no)
        if not builder.rows:
            raise UsageError(f"predictions.uri: {spec.uri}: the objects there have no rows")
        try:
            sha256 = builder.write(path)
        except RepeatedId as error:
            (there, earlier), (here, row) = error.earlier, error.later
            raise UsageError(
                f"{listed[here][0].uri}: row {row + 1} has the id of {listed[there][0].uri} row {earlier + 1}; "
                "an item has one prediction"
            ) from None
        objects = tuple(PredictedObject(stored.uri, stored.etag, stored.size) for stored, _ in listed)
        return Study(builder.rows, sha256, objects, tuple(examples))


def cover(
    study: Study, index: PredictionIndex, ids: Iterable[pa.ChunkedArray], *, max_missing: float, uri: str
) -> Study:
    """Count the pool's items without a prediction.

    Parameters
    ----------
    ids : iterable of arrays
        The pool's, chunk by chunk.
    max_missing : float
        Share of the pool that may have none.
    uri : str
        Of the predictions, for the message.

    Raises
    ------
    UsageError
        More have none: the ids are probably others.
    """
    items = missing = 0
    examples: list[str] = []
    for chunk in ids:
        absent = index.find(chunk) < 0
        items, missing = items + len(absent), missing + int(absent.sum())
        if absent.any() and len(examples) < _EXAMPLES:
            examples += chunk.filter(pa.array(absent)).slice(0, _EXAMPLES - len(examples)).to_pylist()
    if items and missing / items > max_missing:
        raise UsageError(
            f"{uri}: {missing:,} of the pool's {items:,} items have no prediction ({missing / items:.1%}), "
            f"predictions.max_missing allows {max_missing:.1%}. The pool has ids such as {_shown(examples)}, the "
            f"predictions {_shown(study.examples)}: check predictions.id, or predict the rest"
        )
    return replace(study, items=items, missing=missing, missing_examples=tuple(examples))


def _shown(ids: Iterable[str]) -> str:
    return ", ".join(repr(one) for one in ids)
