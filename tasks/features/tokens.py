"""Text to token numbers, in any language, at Arrow's speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Letters, marks and digits of any script make a word; a mark belongs to the letter before it (as in Hindi).
_BETWEEN_WORDS = r"[^\pL\pM\pN]+"
# These scripts put no space between words. One token a character lets the 2-grams stand for words.
_UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\pM*)"
_LONGEST_TOKEN = 40


@dataclass(frozen=True)
class Tokens:
    """The tokens of some documents, one after the other.

    Attributes
    ----------
    rows : int64 (t,)
        The document of each token, rising.
    codes : int64 (t,)
        The token, as a position in `words`.
    words : pyarrow.LargeStringArray
        The different tokens.
    documents : int
        How many documents there were, empty ones included.
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    words: pa.Array
    documents: int


def text_column(table: pa.Table, name: str) -> pa.Array:
    """Take a column as strings, pyarrow.LargeStringArray (n,); null becomes empty."""
    whole = pa.chunked_array(table.column(name)).cast(pa.large_string()).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no chunk at all
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.large_string())
    return pc.fill_null(whole, "")


def join_columns(table: pa.Table, columns: tuple[str, ...], longest: int) -> pa.Array:
    """Join the text columns of a table to one document a row.

    Parameters
    ----------
    table : pyarrow.Table
    columns : tuple of str
        Columns that can be cast to strings; null counts as empty.
    longest : int
        Characters of each column that are read; the rest is left out.

    Returns
    -------
    pyarrow.LargeStringArray (n,)
    """
    return join_texts([pc.utf8_slice_codeunits(text_column(table, name), 0, longest) for name in columns])


def join_texts(parts: list[pa.Array]) -> pa.Array:
    """Join columns of texts row by row, a line break between two.

    Parameters
    ----------
    parts : list of pyarrow.LargeStringArray (n,)
        At least one, without nulls.

    Returns
    -------
    pyarrow.LargeStringArray (n,)
    """
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, pa.scalar("\n", pa.large_string()))


def tokenise(documents: pa.Array) -> Tokens:
    """Split documents into lower-case words in Unicode's decomposed form NFKD.

    Parameters
    ----------
    documents : pyarrow.LargeStringArray (n,)
        Without nulls.

    Returns
    -------
    Tokens
    """
    # Arrow 25 decomposes whatever form is asked for, so the decomposed form is the one that stays the same.
    text = pc.utf8_lower(pc.utf8_normalize(documents, form="NFKD"))
    if pc.any(pc.match_substring_regex(text, _UNSPACED)).as_py():
        text = pc.replace_substring_regex(text, _UNSPACED, r" \1 ")
    lists = pc.split_pattern_regex(text, pattern=_BETWEEN_WORDS)
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    encoded = pc.utf8_slice_codeunits(lists.flatten(), 0, _LONGEST_TOKEN).dictionary_encode()
    rows = np.repeat(np.arange(len(documents), dtype=np.int64), lengths)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    words = encoded.dictionary
    # A separator at an end of the text leaves an empty word there.
    empty = pc.equal(words, "").to_numpy(zero_copy_only=False)
    if empty.any():
        real = ~empty[codes]
        rows, codes = rows[real], codes[real]
    return Tokens(rows, codes, words, len(documents))
