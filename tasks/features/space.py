"""From the pool's columns to the matrix that a model trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.archive import pack, unpack
from tasks.features.blocks import (
    Block,
    CategoryBlock,
    TextBlock,
    fit_category,
    fit_dates,
    fit_embedding,
    fit_frequencies,
    fit_numeric,
    fit_shape,
    fit_tags,
    read_block,
)
from tasks.features.distances import DistanceSpace, fit_distances
from tasks.features.text import DIMENSIONS, fit_text
from tasks.features.view import View, fit_view

if TYPE_CHECKING:
    from tasks.pool.schema import Columns

Floats = NDArray[np.float32]

FORMAT = 2
_DISTANCES = ("indicators", "centre", "spread", "limit", "scale")


@dataclass(frozen=True)
class FeatureSpace:
    """A fitted map from Arrow tables of the pool to matrices.

    Attributes
    ----------
    blocks : tuple of Block
        In the order of their matrix columns.
    distances : DistanceSpace
    view : View
        The matrix as linear models want it.
    """

    blocks: tuple[Block, ...]
    distances: DistanceSpace
    view: View

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each matrix column, all different, in characters that XGBoost takes."""
        return _distinct_names(name for block in self.blocks for name in block.names)

    @cached_property
    def types(self) -> tuple[str, ...]:
        """``'q'`` for a number, ``'c'`` for a category code, for each matrix column."""
        kinds = [
            "c" if block.kind == CategoryBlock.kind else "q" for block in self.blocks for _ in block.names
        ]
        return tuple(kinds)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def transform(self, table: pa.Table) -> Floats:
        """Map rows of the pool.

        Parameters
        ----------
        table : pyarrow.Table
            Has the columns that the space was fitted on; others do not matter.

        Returns
        -------
        float32 (n, d)
            NaN = missing.

        Raises
        ------
        UsageError
            A column is missing or of another kind than in the sample.
        """
        return np.ascontiguousarray(
            np.hstack([block.transform(table) for block in self.blocks]), dtype=np.float32
        )

    def embed(self, matrix: Floats) -> Floats:
        """Map a matrix of `transform` to the space for distances (k-means, k-center).

        Returns
        -------
        float32 (n, e)
            No NaN; each kind of column has the same total variance over the sample.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            raise UsageError(
                f"embed needs a matrix of {len(self.names)} columns, not one of shape {matrix.shape}."
            )
        return self.distances.embed(matrix)

    def to_bytes(self) -> bytes:
        """Write the space as an npz file without pickle; equal spaces give equal bytes."""
        header: list[dict[str, object]] = []
        arrays: dict[str, NDArray[np.generic]] = {}
        for place, block in enumerate(self.blocks):
            settings, parts = block.to_parts()
            header.append({"kind": block.kind, **settings})
            arrays |= {f"{place}.{name}": part for name, part in parts.items()}
        arrays |= {f"distances.{name}": getattr(self.distances, name) for name in _DISTANCES}
        arrays |= {f"view.{name}": array for name, array in self.view.to_parts().items()}
        return pack({"format": FORMAT, "blocks": header}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> FeatureSpace:
        """Read what `to_bytes` wrote.

        Raises
        ------
        UsageError
            The bytes are damaged, or of another version.
        """
        header, arrays = unpack(data, what="The feature space")
        if header.get("format") != FORMAT:
            raise UsageError(
                f"The feature space has format {header.get('format')!r}, wanted {FORMAT}. Fit it again."
            )
        blocks = []
        for place, settings in enumerate(header["blocks"]):
            own = {name.partition(".")[2]: a for name, a in arrays.items() if name.startswith(f"{place}.")}
            blocks.append(read_block(settings.pop("kind"), settings, own))
        distances = DistanceSpace(*(arrays[f"distances.{name}"] for name in _DISTANCES))
        view = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith("view.")}
        return cls(tuple(blocks), distances, View(**view))


def fit_space(
    sample: pa.Table, columns: Columns, *, seed: int, text_dimensions: int = DIMENSIONS
) -> FeatureSpace:
    """Fit the feature space on the pool, or on a sample of a large one.

    Parameters
    ----------
    sample : pyarrow.Table
        Canonical types: text and categorical columns strings, numeric ones float64, embeddings fixed-size
        lists of float32, dates timestamps, tags lists of strings; nulls allowed everywhere.
    columns : Columns
        Which column is what.
    seed : int
        For the randomised singular value decomposition.
    text_dimensions : int
        Latent dimensions of all text columns together; fewer where the sample has fewer documents or words.

    Returns
    -------
    FeatureSpace
        Without the columns that are constant in the sample.

    Raises
    ------
    UsageError
        The sample is empty, lacks a column, or has no column that tells items apart.
    """
    if sample.num_rows == 0:
        raise UsageError("Features cannot be fitted on an empty sample. Is the pool empty?")
    if text_dimensions < 1:
        raise UsageError(f"text_dimensions must be at least 1, not {text_dimensions}.")
    blocks = _fit_blocks(sample, columns, seed, text_dimensions)
    if not blocks:
        raise UsageError(
            "No column tells the items apart: each column that the "
            "campaign learns from is empty or constant in the pool. Name other columns."
        )
    matrices = [block.transform(sample) for block in blocks]
    whole = np.hstack(matrices)
    distances = fit_distances(
        whole,
        [block.kind for block in blocks],
        [matrix.shape[1] for matrix in matrices],
        [block.weight for block in blocks],
        [len(block.values) + 1 if isinstance(block, CategoryBlock) else 0 for block in blocks],
    )
    kinds = [block.kind for block in blocks for _ in block.names]
    return FeatureSpace(tuple(blocks), distances, fit_view(whole, kinds))


def _fit_blocks(sample: pa.Table, columns: Columns, seed: int, text_dimensions: int) -> list[Block]:
    blocks: list[Block | None] = []
    if columns.numeric:
        blocks.append(fit_numeric(sample, tuple(columns.numeric)))
    blocks += [fit_category(sample, name) for name in columns.categorical]
    blocks.append(fit_frequencies(sample, columns.categorical))
    blocks.append(fit_dates(sample, tuple(columns.date)))
    blocks += [fit_tags(sample, name) for name in columns.tags]
    blocks += [fit_embedding(sample, name) for name in columns.embedding]
    if columns.text:
        text = tuple(columns.text)
        blocks.append(fit_shape(sample, text))
        space = fit_text(sample, text, dimensions=text_dimensions, seed=seed)
        blocks.append(TextBlock(space) if space is not None else None)
    return [block for block in blocks if block is not None]


def _distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """Replace what XGBoost forbids in a feature name, and number the repeated ones."""
    taken: dict[str, None] = {}
    for name in names:
        plain = name.translate(str.maketrans("[]<", "(){")) or "column"
        candidate, number = plain, 2
        while candidate in taken:
            candidate, number = f"{plain}#{number}", number + 1
        taken[candidate] = None
    return tuple(taken)
