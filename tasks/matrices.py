"""The pool as feature matrices, chunk by chunk, computed once where that is dear."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import NotFound

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.features import FeatureSpace
    from tasks.pool.manifest import Manifest
    from tasks.pool.schema import Columns

log = logging.getLogger(__name__)

SAMPLE_ROWS = 50_000


def feature_space(workplace: Workplace, campaign: Campaign, manifest: Manifest) -> tuple[FeatureSpace, str]:
    """Fit the features on the pool, or on a hashed sample of a large one; reuse what was fitted on the same pool.

    Returns
    -------
    space, uri
        The space, and where it is stored. Campaigns over the same pool, columns and seed share it.
    """
    from tasks.features import FeatureSpace, fit_space

    recipe = f"{manifest.digest}:{manifest.columns}:{campaign.pool.uri}:{SAMPLE_ROWS}:{campaign.seed}"
    key = hashlib.sha256(recipe.encode()).hexdigest()[:24]
    uri = f"s3://{workplace.settings.artifact_bucket}/features/{key}/space.npz"
    try:
        return FeatureSpace.from_bytes(workplace.storage.get(uri)), uri
    except NotFound:
        log.info("fitting the features on %d items", min(SAMPLE_ROWS, manifest.rows))
    space = fit_space(sample_pool(workplace, campaign, manifest), manifest.columns, seed=campaign.seed)
    workplace.storage.put(uri, space.to_bytes())
    return space, uri


def sample_pool(workplace: Workplace, campaign: Campaign, manifest: Manifest) -> pa.Table:
    """Draw at most `SAMPLE_ROWS` items by hash: the same ones whatever the order of the pool."""
    from tasks.pool.read import read_pool
    from tasks.pool.sampling import BottomK, purpose_key

    sample = BottomK(SAMPLE_ROWS, purpose_key(campaign.seed, "features"))
    for chunk in read_pool(workplace.storage, manifest, names=manifest.columns.features):
        sample.update(chunk.table.column(manifest.columns.id), cut_texts(chunk.table, manifest.columns))
    return sample.result().select(manifest.columns.features)


def cut_texts(table: pa.Table, columns: Columns) -> pa.Table:
    """Cut texts where features stop reading, so that many rows of long texts fit into memory."""
    import pyarrow.compute as pc

    from tasks.features.text import LONGEST_TEXT

    for name in columns.text:
        place = table.column_names.index(name)
        table = table.set_column(place, name, pc.utf8_slice_codeunits(table.column(name), 0, LONGEST_TEXT))
    return table


def matrices(
    workplace: Workplace, manifest: Manifest, space: FeatureSpace, space_uri: str, extra: Sequence[str] = ()
) -> Iterator[tuple[pa.Table, NDArray[np.float32]]]:
    """Walk over the pool with its feature matrix.

    Text is dear to turn into numbers, so its matrices are kept in S3 by object version and feature space: the
    next round, and the next campaign over this pool, only read them.

    Yields
    ------
    table, X
        One chunk: ids, features and the `extra` columns, and float32 (n, d).
    """
    from tasks.pool.read import read_pool

    names = tuple(dict.fromkeys((*manifest.columns.features, *extra)))
    folder = space_uri.rsplit("/", 1)[0]
    for chunk in read_pool(workplace.storage, manifest, names=names):
        if manifest.columns.text:
            digest = hashlib.sha256(chunk.key.encode()).hexdigest()[:32]
            yield chunk.table, _cached(workplace, f"{folder}/{digest}.npy", space, chunk.table)
        else:
            yield chunk.table, space.transform(chunk.table)


def _cached(workplace: Workplace, uri: str, space: FeatureSpace, table: pa.Table) -> NDArray[np.float32]:
    try:
        matrix = np.load(io.BytesIO(workplace.storage.get(uri)), allow_pickle=False)
        if matrix.shape == (table.num_rows, len(space.names)):
            return np.asarray(matrix, dtype=np.float32)
        log.warning("%s has the shape %s, not that of its chunk: computed anew", uri, matrix.shape)
    except (NotFound, ValueError):
        pass
    matrix = space.transform(table)
    sink = io.BytesIO()
    np.save(sink, matrix, allow_pickle=False)
    workplace.storage.put(uri, sink.getvalue())
    return matrix
