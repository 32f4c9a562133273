"""Regular expressions over Arrow columns: Python's meaning at RE2's speed."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# RE2 takes these too, and means something else.
_OTHER_MEANING = re.compile(r"\[\[:|\{,")
# In RE2 these know ASCII alone: r"\bслово\b" would never be found.
_OF_CHARACTERS = re.compile(r"\\[bBdDsSwW]")
# Whatever is not ASCII, and the separators that only Python takes for white space.
_UNLIKE = r"[^\x00-\x0a\x0c-\x1b\x20-\x7f]"


def search(pattern: str, column: pa.Array) -> tuple[Mask, Mask]:
    """Search each text for a pattern, as `re.search` does, as far as RE2 is sure to agree.

    Parameters
    ----------
    pattern : str
        For Python's `re`.
    column : pyarrow.Array of string (n,)
        Nulls match nothing.

    Returns
    -------
    found : bool (n,)
        Where the pattern was found.
    unsure : bool (n,)
        Where only Python's `re` can tell; not `found` there.
    """
    present = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), np.bool_)
    nothing = np.zeros(len(column), np.bool_)
    if _OTHER_MEANING.search(pattern):
        return nothing, present
    try:
        found = _found(pattern, column)
    except pa.ArrowInvalid:  # look-around, back references, too large: what RE2 does not have
        return nothing, present
    doubts = [_UNLIKE] if _OF_CHARACTERS.search(pattern) else []
    if "$" in pattern:  # Python's also stands before a line break at the end
        doubts.append(r"\n\z")
    unsure = _found("|".join(doubts), column) if doubts else nothing
    return found & ~unsure, unsure


def _found(pattern: str, column: pa.Array) -> Mask:
    found = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
