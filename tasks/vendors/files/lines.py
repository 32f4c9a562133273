"""The lines of a file that somebody else wrote: any length, any encoding, perhaps compressed, perhaps cut off."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from tasks.vendors.files.problems import NOT_READABLE, TOO_LARGE, Problem

MAX_LINE = 2**20
"""Bytes; a longer line is reported and skipped without being held."""
_CHUNK = 2**20
_BLANK = (b"", b"\r")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# What opens as text and never is: told once instead of once for each of its "lines".
_NO_TEXT = {b"PK\x03\x04": "a ZIP archive or Excel workbook", b"%PDF": "a PDF", b"PAR1": "a Parquet file"}


class Line(NamedTuple):
    """One line.

    Attributes
    ----------
    number
        From 1.
    start, end
        Bytes from the start of the text, where the line and where the next one begin: of the text in UTF-8, after
        decompression.
    data
        Without the line feed; only its beginning when there is a `problem`.
    """

    number: int
    start: int
    end: int
    data: bytes
    problem: Problem | None = None

    @property
    def is_blank(self) -> bool:
        """Whether it says nothing."""
        return self.problem is None and self.data in _BLANK


def read_lines(file: BinaryIO, start: int = 0, number: int = 1) -> Iterator[Line]:
    """Read a file's lines from a place on where one begins.

    gzip, a byte order mark and UTF-16 are known by the first bytes. A file that breaks off is read as far as it
    goes, and its last line says so.
    """
    file.seek(0)
    head = file.read(4)
    for magic, what in _NO_TEXT.items():
        if head == magic:
            yield Line(1, 0, 4, b"", Problem(NOT_READABLE, f"the file is {what}, not text"))
            return
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        # `read1`: a plain `read` throws away what it has when the end is missing.
        chunks = _from(_utf8(_chunks(gzip.GzipFile(fileobj=file).read1)), start)
    elif head[:2] in _UTF16:
        chunks = _from(_utf8(_chunks(file.read)), start)
    else:
        file.seek(start)
        chunks = _chunks(file.read)
    yield from _split(chunks, start, number)


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    return iter(lambda: read(_CHUNK), b"")


def _from(chunks: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Leave out the first `start` bytes."""
    for chunk in chunks:
        if start < len(chunk):
            yield chunk[start:]
        start = max(0, start - len(chunk))


def _utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Turn UTF-16 with its mark into UTF-8; anything else stays."""
    first = next(chunks, b"")
    encoding = _UTF16.get(first[:2])
    if encoding is None:
        yield first
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(first[2:]).encode()
    for chunk in chunks:
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _split(chunks: Iterator[bytes], start: int, number: int) -> Iterator[Line]:
    """Cut at line feeds."""
    rest, dropped = b"", 0  # of the line in hand: what is held, and how much of it was let go
    broken: Problem | None = None
    while True:
        try:
            chunk = next(chunks, b"")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            chunk, broken = b"", Problem(NOT_READABLE, f"the compressed file breaks off here: {error}")
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            end = start + dropped + len(piece) + 1
            if dropped or len(piece) > MAX_LINE:
                yield Line(number, start, end, piece[:200], _too_long(end - start - 1))
            else:
                yield Line(number, start, end, _bare(piece, start))
            start, number, dropped = end, number + 1, 0
        if not chunk:
            break
        if len(rest) > MAX_LINE:
            dropped, rest = dropped + len(rest), b""
    end = start + dropped + len(rest)
    if broken is not None:
        yield Line(number, start, end, rest[:200], broken)
    elif dropped or len(rest) > MAX_LINE:
        yield Line(number, start, end, rest[:200], _too_long(end - start))
    elif rest:
        yield Line(number, start, end, _bare(rest, start))


def _bare(piece: bytes, start: int) -> bytes:
    return piece.removeprefix(codecs.BOM_UTF8) if start == 0 else piece


def _too_long(length: int) -> Problem:
    return Problem(TOO_LARGE, f"the line has {length} bytes; at most {MAX_LINE} are read")
