"""Messages between a round and the process that runs its Python labeling functions."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

_SIZES = struct.Struct("<IQ")
_PIECE = 1 << 20


class ConnectionEnded(Exception):
    """The other side is gone."""


class NoAnswer(Exception):
    """The other side took too long."""


def send(file: int, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write a message: a JSON header and bytes.

    Raises
    ------
    ConnectionEnded
        Nobody reads.
    """
    text = json.dumps(header).encode()
    data = memoryview(_SIZES.pack(len(text), len(payload)) + text + payload)
    try:
        while data:
            data = data[os.write(file, data[:_PIECE]) :]
    except BrokenPipeError as error:
        raise ConnectionEnded from error


def receive(file: int, seconds: float | None = None) -> tuple[dict[str, Any], bytes]:
    """Read a message.

    Parameters
    ----------
    file : int
        File descriptor.
    seconds : float, optional
        How long it may take to be whole; for ever when None.

    Raises
    ------
    ConnectionEnded
        Nobody writes.
    NoAnswer
        It took longer.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    header_size, payload_size = _SIZES.unpack(_exactly(file, _SIZES.size, deadline))
    header: dict[str, Any] = json.loads(_exactly(file, header_size, deadline))
    return header, _exactly(file, payload_size, deadline)


def _exactly(file: int, size: int, deadline: float | None) -> bytes:
    pieces = []
    while size:
        if deadline is not None:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([file], [], [], left)[0]:
                raise NoAnswer
        piece = os.read(file, min(size, _PIECE))
        if not piece:
            raise ConnectionEnded
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
