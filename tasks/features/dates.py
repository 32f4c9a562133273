"""Columns of times, split in the parts that a model can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.columns import Floats, Parts, column_of, varies

_DAY = 86_400_000_000  # microseconds
_PARTS = ("days", "year.sin", "year.cos", "weekday", "hour", "hour.sin", "hour.cos")
# Within less time than this the season says no more than the date itself.
_SEASONS = 366


@dataclass(frozen=True)
class DateBlock:
    """Times, as parts.

    ``days`` since 1970, with the time of day as a fraction; ``year.sin``, ``year.cos``: the time of the year on a
    circle, so that December lies beside January; ``weekday``, 0 = Monday; ``hour``, 0 to 24, and its circle. All
    in UTC.
    """

    kind: ClassVar[str] = "date"
    weight: ClassVar[float] = 1.0
    columns: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]  # of each column

    @property
    def names(self) -> tuple[str, ...]:
        """Column name and part."""
        return tuple(
            f"{column}.{part}"
            for column, parts in zip(self.columns, self.parts, strict=True)
            for part in parts
        )

    def transform(self, table: pa.Table) -> Floats:
        """Split times; a missing time is NaN in all parts."""
        found = []
        for column, parts in zip(self.columns, self.parts, strict=True):
            split = _split(table, column)
            found += [split[part] for part in parts]
        return np.column_stack(found).astype(np.float32)

    def to_parts(self) -> Parts:
        """Give the column names and the parts of each."""
        return {"columns": self.columns, "parts": self.parts}, {}


def fit_dates(sample: pa.Table, columns: tuple[str, ...]) -> DateBlock | None:
    """Keep of each column the parts that vary; the season only where the sample spans more than a year."""
    kept: dict[str, tuple[str, ...]] = {}
    for column in columns:
        split = _split(sample, column)
        days = split["days"]
        known = days[~np.isnan(days)]
        if not len(known) or np.ptp(known) <= _SEASONS:
            split = {part: values for part, values in split.items() if not part.startswith("year")}
        parts = tuple(part for part in _PARTS if part in split and varies(split[part].astype(np.float32)))
        if parts:
            kept[column] = parts
    return DateBlock(tuple(kept), tuple(kept.values())) if kept else None


def _split(table: pa.Table, name: str) -> dict[str, NDArray[np.float64]]:
    column = column_of(table, name)
    if not pa.types.is_timestamp(column.type):
        raise UsageError(f"Column {name!r} is declared as a date but is {column.type}.")
    known = column.is_valid().to_numpy()
    micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).fill_null(0).to_numpy()
    day, within = micros // _DAY, micros % _DAY
    year = day.astype("datetime64[D]").astype("datetime64[Y]")
    first = year.astype("datetime64[D]").astype(np.int64)
    length = (year + 1).astype("datetime64[D]").astype(np.int64) - first
    season = 2 * np.pi * (day - first) / length
    hour = within / (_DAY / 24)
    clock = 2 * np.pi * hour / 24
    split = {
        "days": day + within / _DAY,
        "year.sin": np.sin(season),
        "year.cos": np.cos(season),
        "weekday": (day + 3) % 7,  # 1970 began on a Thursday
        "hour": hour,
        "hour.sin": np.sin(clock),
        "hour.cos": np.cos(clock),
    }
    return {part: np.where(known, values, np.nan) for part, values in split.items()}
