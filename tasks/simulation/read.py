"""Reading a labelled data set: Parquet, CSV or JSON Lines, types found as in a round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import PoolRejected, UsageError
from tasks.pool.decode import REASONS, USABLE, MissingColumnError, decode_rows
from tasks.pool.formats import UNREADABLE
from tasks.pool.guard import open_guarded
from tasks.pool.listing import Listed, list_pool
from tasks.simulation.columns import Found, Wanted, find
from tasks.simulation.data import MOST_CLASSES, LabelledData

if TYPE_CHECKING:
    from tasks.features import FeatureSpace
    from tasks.pool.store import ObjectStore

SAMPLE_ROWS = 50_000
# Numbers with more different values than this, some of them not whole, are measurements.
_FEW_FRACTIONS = 20
_REPEATED_ID, _NO_LABEL = "repeated id", "no label"


@dataclass(frozen=True)
class Loaded:
    """A data set, and what was made of the file.

    Attributes
    ----------
    data : LabelledData
    found : Found
        The columns.
    set_aside : dict of str to int
        Reason -> rows that are not used.
    """

    data: LabelledData
    found: Found
    set_aside: dict[str, int]

    def notes(self) -> list[str]:
        """Say what a user may not expect."""
        said = [f"{count:,} rows set aside: {reason}" for reason, count in self.set_aside.items()]
        if self.found.id is None:
            said.append("no column is called id: the rows are known by their number")
        return said


def load(store: ObjectStore, uri: str, wanted: Wanted, *, seed: int = 0) -> Loaded:
    """Read a labelled data set and fit its features.

    Features are fitted on all rows without their labels, or on a sample of 50,000, as a round fits them on its
    pool. Rows without a label, with a repeated id (the first stays) or with a value of the wrong type are set
    aside and counted.

    Parameters
    ----------
    store : ObjectStore
        Where `uri` is.
    uri : str
        A file, or a folder of files with the same columns.
    wanted : Wanted
    seed : int
        Of the features.

    Raises
    ------
    UsageError
        There is no such file or column, it cannot be read, or its labels are no classes.
    """
    from tasks.features import fit_space

    try:
        listed, _ = list_pool(store, uri)
    except PoolRejected as error:
        raise UsageError(f"{uri}: there is no Parquet, CSV or JSON Lines file of that name.") from error
    found = find(store, uri, listed, wanted)
    table, set_aside = _usable(_read(store, listed, found), found)
    classes, y = _classes(table.column(found.label), uri, found.label)
    features = table.select(found.columns.features)
    space = fit_space(_sample(features, seed), found.columns, seed=seed)
    data = _as_data(table, features, found, space, classes, y)
    return Loaded(data, found, {reason: count for reason, count in set_aside.items() if count})


def _as_data(
    table: pa.Table, features: pa.Table, found: Found, space: FeatureSpace, classes: tuple[str, ...], y: Any
) -> LabelledData:
    ids = np.empty(table.num_rows, object)
    ids[:] = (
        [f"row-{number:09d}" for number in range(1, table.num_rows + 1)]
        if found.id is None
        else table.column(found.id).to_pylist()
    )
    return LabelledData(ids, space.transform(features), y, classes, space)


def _read(store: ObjectStore, listed: Sequence[Listed], found: Found) -> tuple[pa.Table, Counter[str]]:
    """Read all objects; rows of a wrong form or type are counted and left out."""
    columns = found.columns
    names = tuple(name for name in columns.names if name)
    tables, aside = [columns.schema(names).empty_table()], Counter[str]()
    for stored, form in listed:
        try:
            with open_guarded(store, stored.uri, stored.etag) as file:
                for rows in decode_rows(file, form, columns, names):
                    for code in np.unique(rows.codes[rows.codes != USABLE]):
                        aside[REASONS[code]] += int(np.count_nonzero(rows.codes == code))
                    aside["malformed row"] += rows.raw.skipped
                    tables.append(rows.table.filter(pa.array(rows.codes == USABLE)))
        except MissingColumnError as error:
            raise UsageError(f"{stored.uri}: {error}, which the first file has.") from error
        except UNREADABLE as error:
            raise UsageError(f"{stored.uri}: cannot be read: {str(error).splitlines()[0]}") from error
    return pa.concat_tables(tables).combine_chunks(), aside


def _usable(read: tuple[pa.Table, Counter[str]], found: Found) -> tuple[pa.Table, Counter[str]]:
    """Leave out rows without a label, and of rows with one id all but the first."""
    table, aside = read
    label = table.column(found.label)
    labelled = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(pc.fill_null(label, ""))), 0)
    aside[_NO_LABEL] += table.num_rows - int(pc.sum(labelled).as_py() or 0)
    table = table.filter(labelled)
    if found.id is not None and table.num_rows:
        codes = table.column(found.id).combine_chunks().dictionary_encode().indices.to_numpy()
        _, first = np.unique(codes, return_index=True)
        aside[_REPEATED_ID] += table.num_rows - len(first)
        table = table.take(pa.array(np.sort(first)))
    return table.combine_chunks(), aside


def _classes(column: pa.ChunkedArray, uri: str, label: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Name the classes, in the order of numbers where all are numbers, and code the labels."""
    values = sorted(pc.unique(column).to_pylist())
    rows = len(column)
    if len(values) < 2:
        only = f"only {values[0]!r}" if values else "no value"
        raise UsageError(f"{uri}: the label column {label!r} has {only}; a simulation needs two classes.")
    numbers = _numbers(values)
    fractions = numbers is not None and any(one != int(one) for one in numbers)
    if len(values) > MOST_CLASSES or len(values) > rows / 2 or (fractions and len(values) > _FEW_FRACTIONS):
        raise UsageError(
            f"{uri}: the label column {label!r} has {len(values):,} different values in {rows:,} rows, such as "
            f"{', '.join(values[:3])}: measurements or names, not classes. Name another column by --label."
        )
    if numbers is not None:
        values = [value for _, value in sorted(zip(numbers, values, strict=True))]
    codes = pc.index_in(column, value_set=pa.array(values, pa.string()))
    return tuple(values), np.asarray(codes.to_numpy(), np.int64)


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _sample(features: pa.Table, seed: int) -> pa.Table:
    if features.num_rows <= SAMPLE_ROWS:
        return features
    rows = np.random.default_rng(seed).choice(features.num_rows, SAMPLE_ROWS, replace=False)
    return features.take(pa.array(np.sort(rows)))
