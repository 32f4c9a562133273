"""Counting terms, words with word pairs and character n-grams, and choosing which of them are features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.features.hashing import hash_ngrams, hash_pairs, hash_words
from tasks.features.tokens import Tokens

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float32]

# So many different terms are counted at a time; the rarest are forgotten when there are more.
MOST_COUNTED = 2**21
_BITS = 17
_TOP = np.uint64(64 - _BITS)


@dataclass(frozen=True)
class Vocabulary:
    """Terms that are features.

    Attributes
    ----------
    keys : uint64 (v,)
        Hashes, rising: the place is the term's number.
    """

    keys: Hashes

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: Hashes) -> Ints:
        """Give each key's number, -1 for an unknown one; int64, shaped as `keys`."""
        if len(self.keys) == 0:
            return np.full(keys.shape, -1, np.int64)
        starts, steps = self._places
        place = starts[keys >> _TOP].astype(np.int64)
        # Hashes are spread evenly, so a key stands at its bucket's start or a step or two behind.
        for _ in range(steps):
            place += self.keys[np.minimum(place, len(self.keys) - 1)] < keys
        place = np.minimum(place, len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, -1)

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], int]:
        """Where each bucket of the leading bits begins, and the most keys of a bucket."""
        sizes = np.bincount((self.keys >> _TOP).astype(np.int64), minlength=2**_BITS)
        return (np.cumsum(sizes) - sizes).astype(np.int32), int(sizes.max())


class Frequencies:
    """In how many documents each term occurs, counted chunk by chunk in bounded memory.

    When more than `most` terms are known, the rarer half goes: a term that is frequent overall survives, its
    count short by what it had when it went (lossy counting; Manku and Motwani, 2002, "Approximate frequency
    counts over data streams").
    """

    def __init__(self, most: int = MOST_COUNTED) -> None:
        self._most = most
        self._keys = np.zeros(0, np.uint64)
        self._counts = np.zeros(0, np.int64)

    def update(self, keys: Hashes, counts: Ints) -> None:
        """Add the documents of one chunk: different terms and their numbers of documents."""
        merged, place = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        total = np.bincount(place, np.concatenate([self._counts, counts])).astype(np.int64)
        if len(merged) > self._most:
            kept = np.sort(np.argsort(-total, kind="stable")[: self._most // 2])
            merged, total = merged[kept], total[kept]
        self._keys, self._counts = merged, total

    def most_frequent(self, most: int, least: int) -> tuple[Hashes, Ints]:
        """Take the terms in most documents.

        Parameters
        ----------
        most : int
            So many terms at most.
        least : int
            In so many documents at least.

        Returns
        -------
        uint64 (v,), int64 (v,)
            Terms, rising, and their numbers of documents.
        """
        enough = np.flatnonzero(self._counts >= least)
        kept = np.sort(enough[np.argsort(-self._counts[enough], kind="stable")[:most]])
        return self._keys[kept], self._counts[kept]


def occurrences(tokens: Tokens) -> Any:
    """Count the words of each document, scipy CSR float32 (documents, len(tokens.words))."""
    return _matrix(tokens.rows, tokens.codes, (tokens.documents, len(tokens.words)))


def word_frequencies(tokens: Tokens, into: Frequencies) -> None:
    """Count the documents of words and word pairs."""
    hashes = hash_words(tokens.words)
    words = occurrences(tokens)
    into.update(hashes, np.bincount(words.indices, minlength=len(hashes)))
    rows, pairs = _pairs(tokens, hashes)
    keys, codes = np.unique(pairs, return_inverse=True)
    found = _matrix(rows, codes, (tokens.documents, len(keys)))
    into.update(keys, np.bincount(found.indices, minlength=len(keys)))


def ngram_frequencies(tokens: Tokens, into: Frequencies) -> None:
    """Count the documents of character n-grams."""
    owners, hashes = hash_ngrams(tokens.words)
    keys, codes = np.unique(hashes, return_inverse=True)
    spelt = _matrix(owners, codes, (len(tokens.words), len(keys)))
    into.update(keys, np.bincount((occurrences(tokens) @ spelt).indices, minlength=len(keys)))


def count_words(tokens: Tokens, vocabulary: Vocabulary) -> Any:
    """Count words and word pairs, scipy CSR float32 (documents, len(vocabulary))."""
    hashes = hash_words(tokens.words)
    pair_rows, pairs = _pairs(tokens, hashes)
    rows = np.concatenate([tokens.rows, pair_rows])
    terms = np.concatenate([vocabulary.find(hashes)[tokens.codes], vocabulary.find(pairs)])
    known = terms >= 0
    return _matrix(rows[known], terms[known], (tokens.documents, len(vocabulary)))


def count_ngrams(tokens: Tokens, vocabulary: Vocabulary) -> Any:
    """Count character n-grams, scipy CSR float32 (documents, len(vocabulary))."""
    owners, hashes = hash_ngrams(tokens.words)
    terms = vocabulary.find(hashes)
    known = terms >= 0
    spelt = _matrix(owners[known], terms[known], (len(tokens.words), len(vocabulary)))
    counts = occurrences(tokens) @ spelt
    # The product leaves a row's columns in any order; sums over a row must have one order.
    counts.sort_indices()
    return counts


def weigh(counts: Any, idf: Floats) -> Any:
    """Weigh counts, (1 + ln tf) idf, and scale rows to length 1; scipy CSR float32."""
    weighed = counts.copy()
    often = counts.data.astype(np.int64)
    # A table: counts are small numbers, and a logarithm is dear.
    logs = (1 + np.log(np.arange(1, often.max(initial=0) + 1))).astype(np.float32)
    weighed.data = logs[often - 1] * idf[counts.indices]
    lengths = np.diff(counts.indptr)
    row = np.repeat(np.arange(counts.shape[0]), lengths)
    squares = np.bincount(row, np.square(weighed.data), minlength=counts.shape[0])
    scale = 1 / np.sqrt(np.maximum(squares, 1e-12))
    weighed.data *= np.repeat(scale.astype(np.float32), lengths)
    return weighed


def _pairs(tokens: Tokens, hashes: Hashes) -> tuple[Ints, Hashes]:
    """Rows and hashes of neighbouring words."""
    together = np.flatnonzero(tokens.rows[:-1] == tokens.rows[1:])
    of_tokens = hashes[tokens.codes]
    return tokens.rows[together], hash_pairs(of_tokens[together], of_tokens[together + 1])


def _matrix(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Any:
    from scipy import sparse

    ones = np.ones(len(rows), np.float32)
    matrix = sparse.coo_matrix((ones, (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix
