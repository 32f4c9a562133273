"""Arrays and a JSON header in one file: equal content gives equal bytes, and reading runs no code."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

_HEADER = "header"
_DAMAGED = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)


def pack(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """Write a header and arrays as an uncompressed npz file.

    Parameters
    ----------
    header : dict
        Whatever JSON can say.
    arrays : dict of str to ndarray
        No object arrays.

    Returns
    -------
    bytes
        Readable by ``numpy.load(..., allow_pickle=False)``; equal input gives equal bytes.
    """
    text = json.dumps(header, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()
    members = {_HEADER: np.frombuffer(text, np.uint8), **arrays}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            # A fixed date: numpy.savez leaves it to zipfile, which may write the time of day.
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(members[name]), allow_pickle=False)
    return buffer.getvalue()


def header_of(data: bytes, *, what: str) -> dict[str, Any]:
    """Read the header alone of what `pack` wrote.

    Raises
    ------
    UsageError
        As `unpack`.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            header: dict[str, Any] = json.loads(archive[_HEADER].tobytes())
    except _DAMAGED as error:
        raise _damaged(what, error) from error
    return header


def unpack(data: bytes, *, what: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `pack` wrote.

    Raises
    ------
    UsageError
        The bytes are no such file; `what` names it in the message.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
    except _DAMAGED as error:
        raise _damaged(what, error) from error
    return header, arrays


def _damaged(what: str, error: Exception) -> UsageError:
    return UsageError(f"{what} cannot be read: {error}. It is damaged or something else; fit it again.")
