"""Taking the manifest: the one pass that reads every object and decides what can be used."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import PoolRejected
from tasks.pool.ahead import ReadAhead
from tasks.pool.decode import (
    REASONS,
    REPEATED_ID,
    USABLE,
    DecodedRows,
    MissingColumnError,
    decode_rows,
)
from tasks.pool.evolution import refuse_gone
from tasks.pool.formats import UNREADABLE, Format
from tasks.pool.guard import open_guarded
from tasks.pool.listing import list_pool, study_columns
from tasks.pool.manifest import DROPPED_SCHEMA, Manifest, ManifestObject
from tasks.pool.repeats import RepeatFinder
from tasks.pool.schema import Columns
from tasks.pool.spec import PoolSpec
from tasks.pool.store import ObjectStore, StoredObject
from tasks.pool.tally import EXAMPLES, Tally, absences

Progress = Callable[[int, int, int], None]
"""Called with objects done, objects in all, and rows read so far."""


def take_manifest(
    store: ObjectStore,
    uri: str,
    spec: PoolSpec,
    on_progress: Progress | None = None,
    *,
    earlier: Columns | None = None,
) -> Manifest:
    """List the pool, read every object once and check every row.

    Parameters
    ----------
    store
        Where the objects are.
    uri
        Prefix of the pool, or one object. Names that begin with ``_`` or ``.`` below it are skipped.
    spec
        What the campaign says of the pool.
    on_progress
        Called after every chunk of rows and after every object.
    earlier
        The columns that the campaign's last round learned from. Columns that the campaign does not name stay what
        they were; see `tasks.pool.evolution`.

    Returns
    -------
    Manifest

    Raises
    ------
    PoolRejected
        Nothing is usable, a named column is nowhere, or more than `spec.max_set_aside` of the rows or of the
        objects cannot be used.
    PoolChanged
        A column that the last round learned from is gone or of another kind.
    ServiceUnavailable, PoolChanged, NotFound
        From the store; never taken for an unreadable object.
    """
    return _Pass(store, uri, spec, on_progress or (lambda *_: None), earlier).run()


@dataclass
class _ObjectResult:
    rows: int = 0
    tally: Tally = field(default_factory=Tally)
    row_nos: list[NDArray[np.int64]] = field(default_factory=list)
    codes: list[NDArray[np.uint8]] = field(default_factory=list)
    seen: frozenset[str] = frozenset()


class _Pass:
    def __init__(
        self,
        store: ObjectStore,
        uri: str,
        spec: PoolSpec,
        on_progress: Progress,
        earlier: Columns | None,
    ) -> None:
        self.store, self.uri, self.spec, self.on_progress = store, uri, spec, on_progress
        self.earlier = earlier
        self.present: frozenset[str] = frozenset()
        self.objects_aside = Tally()
        self.rows_aside = Tally()
        self.rows_read = 0
        self.kept: list[ManifestObject] = []
        self.dropped: list[Any] = []

    def run(self) -> Manifest:
        listed, strange = list_pool(self.store, self.uri)
        for uri in strange:
            self.objects_aside.add("unknown format", example=uri)
        columns, notes = self._columns(listed)
        ahead = ReadAhead(self.store, [stored for stored, _ in listed])
        with RepeatFinder() as finder, ahead:
            bad = frozenset(
                number
                for number, (stored, form) in enumerate(listed)
                if not self._read(ahead, stored, form, columns, finder, number, len(listed))
            )
            self._drop_repeats(finder, bad, listed)
        dropped = self._dropped_table(bad, len(listed))
        skipped = self.rows_aside.counts["malformed row"] - _count(dropped, "malformed row")
        rows = sum(item.rows for item in self.kept) - dropped.num_rows
        manifest = Manifest(
            self.uri,
            tuple(self.kept),
            rows,
            self.objects_aside.result() + tuple(item for item in self.rows_aside.result() if item.count),
            columns,
            dropped,
            (*notes, *absences(columns, self.kept)),
        )
        if self.earlier is not None:
            refuse_gone(self.earlier, columns, self.present, self.uri)
        self._judge(manifest, dropped.num_rows + skipped, len(bad), len(listed))
        return manifest

    def _columns(self, listed: list[tuple[StoredObject, Format]]) -> tuple[Columns, tuple[str, ...]]:
        found = study_columns(self.store, self.uri, listed, self.spec, self.earlier)
        # An object need not have a column that nobody named.
        named = set(self.spec.named)
        self.optional = frozenset(name for name in found.columns.features if name not in named)
        return found.columns, found.notes

    # -- rows -----------------------------------------------------------------------------------------------

    def _read(
        self,
        store: ObjectStore,
        stored: StoredObject,
        form: Format,
        columns: Columns,
        finder: RepeatFinder,
        number: int,
        total: int,
    ) -> bool:
        """Read one object; False when it has to be set aside as a whole."""
        result = _ObjectResult()
        try:
            with open_guarded(store, stored.uri, stored.etag) as file:
                for rows in decode_rows(file, form, columns, columns.names, optional=self.optional):
                    self._check(rows, result, stored.uri)
                    good = np.flatnonzero(rows.codes == USABLE)
                    ids = rows.table[columns.id].take(pa.array(good))
                    finder.add(ids, number, good + (result.rows - rows.raw.n))
                    self.on_progress(number, total, self.rows_read + result.rows)
        except MissingColumnError as error:
            self.objects_aside.add(str(error), example=stored.uri)
            return False
        except UNREADABLE as error:
            self.objects_aside.add("unreadable object", example=f"{stored.uri}: {_one_line(error)}")
            return False
        self.rows_read += result.rows
        self.rows_aside.join(result.tally)
        absent = tuple(name for name in columns.features if name not in result.seen) if result.rows else ()
        self.present |= result.seen
        self.kept.append(ManifestObject(stored.uri, stored.etag, stored.size, form, result.rows, absent))
        for row_nos, codes in zip(result.row_nos, result.codes, strict=True):
            self.dropped.append((np.full(len(row_nos), number), row_nos, codes))
        self.on_progress(number + 1, total, self.rows_read)
        return True

    def _check(self, rows: DecodedRows, result: _ObjectResult, uri: str) -> None:
        bad = np.flatnonzero(rows.codes)
        for code in np.unique(rows.codes[bad]):
            result.tally.add(REASONS[code], int(np.count_nonzero(rows.codes == code)))
            for position in np.flatnonzero(rows.codes == code)[:EXAMPLES]:
                place = f"{uri} row {result.rows + position + 1}"
                result.tally.add(REASONS[code], 0, f"{place}: {rows.explain(int(position))}")
        if rows.raw.skipped:
            result.tally.add(
                "malformed row", rows.raw.skipped, f"{uri}: other number of fields than the header"
            )
        if len(bad):
            result.row_nos.append(bad + result.rows)
            result.codes.append(rows.codes[bad])
        result.rows += rows.raw.n
        result.seen |= rows.seen

    def _drop_repeats(
        self, finder: RepeatFinder, bad: frozenset[int], listed: list[tuple[StoredObject, Format]]
    ) -> None:
        examples: list[tuple[int, int, int, int]] = []
        for repeated, first in finder.repeats(bad):
            objects = repeated["object_no"]
            self.rows_aside.add("repeated id", len(repeated))
            self.dropped.append((objects, repeated["row_no"], np.full(len(repeated), REPEATED_ID, np.uint8)))
            pairs = zip(objects, repeated["row_no"], first["object_no"], first["row_no"], strict=True)
            found = ((int(a), int(b), int(c), int(d)) for a, b, c, d in pairs)
            examples = heapq.nsmallest(EXAMPLES, [*examples, *found])
        for here, row, there, earlier in examples:
            text = (
                f"{listed[here][0].uri} row {row + 1} has the id of {listed[there][0].uri} row {earlier + 1}"
            )
            self.rows_aside.add("repeated id", 0, text)

    def _dropped_table(self, bad: frozenset[int], total: int) -> Any:
        if not self.dropped:
            return DROPPED_SCHEMA.empty_table()
        objects, rows, codes = (np.concatenate(parts) for parts in zip(*self.dropped, strict=True))
        good = np.cumsum([number not in bad for number in range(total)]) - 1
        order = np.lexsort((rows, objects))
        reasons = pa.DictionaryArray.from_arrays(pa.array(codes[order].astype(np.int32)), pa.array(REASONS))
        arrays = [pa.array(good[objects[order]].astype(np.int32)), pa.array(rows[order].astype(np.int64))]
        return pa.table([*arrays, reasons], schema=DROPPED_SCHEMA)

    # -- judgement ------------------------------------------------------------------------------------------

    def _judge(self, manifest: Manifest, rows_aside: int, objects_aside: int, objects: int) -> None:
        shares = (
            ("rows", rows_aside, manifest.rows + rows_aside),
            ("objects", objects_aside, objects),
        )
        reasons = "; ".join(str(item) for item in manifest.set_aside)
        for what, aside, total in shares:
            if total and aside / total > self.spec.max_set_aside:
                raise PoolRejected(
                    f"{self.uri}: {aside} of {total} {what} ({aside / total:.2%}) cannot be used, "
                    f"pool.max_set_aside allows {self.spec.max_set_aside:.2%}. {reasons}. "
                    "Mend the data or raise the share"
                )
        if not manifest.rows:
            raise PoolRejected(f"{self.uri}: no usable row" + (f". {reasons}" if reasons else ""))


def _count(dropped: Any, reason: str) -> int:
    return int(np.count_nonzero(dropped["reason"].cast(pa.string()).to_numpy() == reason))


def _one_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
