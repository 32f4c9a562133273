"""The rows of one version of a file, in a stream, from any place on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from tasks.vendors.connector import Row
from tasks.vendors.files.comma import Header, read_values
from tasks.vendors.files.ground_truth import output_fields
from tasks.vendors.files.json_lines import read_object
from tasks.vendors.files.lines import Line, read_lines
from tasks.vendors.files.problems import Problem, Unreadable
from tasks.vendors.files.rows import to_row


class Record(NamedTuple):
    """One row as it stands in the file.

    Attributes
    ----------
    line
        Where it starts; `Line.end` is where the next one does.
    found
        The row, or why there is none.
    """

    line: Line
    found: Row | Problem


def read_records(
    file: BinaryIO, name: str, start: int = 0, number: int = 1, *, attribute: str | None = None
) -> Iterator[Record]:
    """Read rows from a place on where one starts.

    Parameters
    ----------
    name
        Of the file; its ending says the format, and it is the beginning of each row's `place`.
    start, number
        `Line.start` and `Line.number` of the first row wanted.
    attribute
        The label attribute of manifests; None takes the only one of a line.
    """
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending == "csv":
        return _of_csv(file, name, start, number)

    def of_manifest(data: bytes) -> dict[str, Any]:
        return output_fields(read_object(data), attribute)

    parse = of_manifest if ending == "manifest" else read_object
    return _of_lines(read_lines(file, start, number), name, parse)


def _of_lines(lines: Iterator[Line], name: str, parse: Callable[[bytes], dict[str, Any]]) -> Iterator[Record]:
    for line in lines:
        if line.is_blank:
            continue
        if line.problem is not None:
            yield Record(line, line.problem)
            continue
        try:
            yield Record(line, to_row(parse(line.data), f"{name}:{line.number}"))
        except Unreadable as error:
            yield Record(line, error.problem)


def _of_csv(file: BinaryIO, name: str, start: int, number: int) -> Iterator[Record]:
    first = next((line for line in read_lines(file) if not line.is_blank), None)
    if first is None:
        return
    try:
        header = Header.read(first)
    except Unreadable as error:
        yield Record(first, error.problem)  # and nothing else: without names no row can be read
        return
    place = (start, number) if start > 0 else (first.end, first.number + 1)
    for line, values in read_values(read_lines(file, *place), header):
        if isinstance(values, Problem):
            yield Record(line, values)
            continue
        try:
            yield Record(line, to_row(header.fields(values), f"{name}:{line.number}"))
        except Unreadable as error:
            yield Record(line, error.problem)
