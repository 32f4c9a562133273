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

    from tasks.added import Added, RoundSpace
    from tasks.features import FeatureSpace
    from tasks.pool.manifest import Manifest
    from tasks.pool.schema import Columns

log = logging.getLogger(__name__)

SAMPLE_ROWS = 50_000


def feature_space(
    workplace: Workplace, campaign: Campaign, manifest: Manifest, added: Added, fitted_on: str
) -> tuple[RoundSpace, str]:
    """Fit the features on the pool, or on a hashed sample of a large one; reuse what was fitted before.

    Parameters
    ----------
    fitted_on
        Digest of the manifest that the campaign's features are of: the present one, or an earlier round's while the
        columns are the same.

    Returns
    -------
    space, uri
        The space, and where it is stored. Campaigns over the same pool, columns and seed share it; predictions that
        a campaign brings come behind it, so that a new version of them costs no new fit.
    """
    from tasks.added import PREDICTION, RoundSpace
    from tasks.features.extended import with_predictions
    from tasks.features.given import PredictionBlock
    from tasks.features.space import FORMAT

    encoded_by = None if added.encoder is None else added.encoder.name
    recipe = (
        f"{FORMAT}:{fitted_on}:{manifest.columns}:{campaign.pool.uri}:{SAMPLE_ROWS}:{campaign.seed}:"
        f"{campaign.features.text_dimensions}:{encoded_by}"
    )
    key = hashlib.sha256(recipe.encode()).hexdigest()[:24]
    folder = f"s3://{workplace.settings.artifact_bucket}/features/{key}"
    uri = f"{folder}/space.npz"
    base = None
    if manifest.columns.features:
        base = _fitted(workplace, campaign, manifest, added, uri)
    spec = campaign.prediction_spec
    if spec is None:
        assert base is not None
        return RoundSpace.of(base, added), uri
    space = with_predictions(base, PredictionBlock(PREDICTION, spec.outputs))
    uri = f"{folder}/space-{space.digest[:16]}.npz"
    workplace.storage.put_once(uri, space.to_bytes())
    return RoundSpace.of(space, added), uri


def _fitted(
    workplace: Workplace, campaign: Campaign, manifest: Manifest, added: Added, uri: str
) -> FeatureSpace:
    """Read the space of the pool's own columns, or fit it."""
    from tasks.features import FeatureSpace, fit_space

    try:
        return FeatureSpace.from_bytes(workplace.storage.get(uri))
    except NotFound:
        log.info("fitting the features on %d items", min(SAMPLE_ROWS, manifest.rows))
    from tasks.added import VECTOR

    space = fit_space(
        added.to(sample_pool(workplace, campaign, manifest), frozenset({VECTOR})),
        added.columns(manifest.columns),
        seed=campaign.seed,
        text_dimensions=campaign.features.text_dimensions,
    )
    workplace.storage.put(uri, space.to_bytes())
    return space


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
    from tasks.features.html import bound

    for name in columns.text:
        table = table.set_column(table.column_names.index(name), name, bound(table.column(name)))
    return table


def matrices(
    workplace: Workplace, manifest: Manifest, space: FeatureSpace, space_uri: str, extra: Sequence[str] = ()
) -> Iterator[tuple[pa.Table, NDArray[np.float32]]]:
    """Walk over the pool with its feature matrix; `space` is of `feature_space` or of `tasks.outputs.space_of`.

    Text is dear to turn into numbers, so its matrices are kept in S3 by object version and feature space: the
    next round, and the next campaign over this pool, only read them.

    Yields
    ------
    table, X
        One chunk: ids, features and the `extra` columns, and float32 (n, d).
    """
    from tasks.features.extended import split
    from tasks.pool.read import read_pool

    names = tuple(dict.fromkeys((*manifest.columns.features, *extra)))
    folder = space_uri.rsplit("/", 1)[0]
    base, given = split(space)
    for chunk in read_pool(workplace.storage, manifest, names=names):
        parts = []
        if base is not None and manifest.columns.text:
            digest = hashlib.sha256(chunk.key.encode()).hexdigest()[:32]
            parts.append(_cached(workplace, f"{folder}/{digest}.npy", base, chunk.table))
        elif base is not None:
            parts.append(base.transform(chunk.table))
        if given is not None:
            # Of another version in every round: read each time.
            parts.append(given.transform(chunk.table))
        yield chunk.table, parts[0] if len(parts) == 1 else np.hstack(parts)


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
