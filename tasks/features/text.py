"""Text columns to a few dense numbers: TF-IDF of words and word pairs, then latent semantic analysis.

Trees split one coordinate at a time, so thousands of sparse word counts starve them while labels are few.
The singular vectors of the whole pool's TF-IDF matrix gather words that occur together, without one label
(Deerwester et al., 1990, "Indexing by Latent Semantic Analysis").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.features.tokens import Tokens, join_columns, tokenise

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# A document longer than this says what it is about in its first pages.
LONGEST_TEXT = 8_000
MOST_TERMS = 30_000
_MOST_WORDS = 100_000
_CHUNK = 8_192


@dataclass(frozen=True)
class TextSpace:
    """A fitted map from text columns to `dimensions` numbers.

    Attributes
    ----------
    columns : tuple of str
    words : pyarrow.LargeStringArray (w,)
        The known words, sorted.
    word_term : int64 (w,)
        The term that a word alone is, or -1 where only pairs with it are terms.
    pairs : int64 (p,)
        Word pairs that are terms, ``first * w + second``, rising.
    pair_term : int64 (p,)
    idf : float32 (v,)
        Inverse document frequency of each term.
    components : float32 (v, dimensions)
        Right singular vectors.
    """

    columns: tuple[str, ...]
    words: pa.Array
    word_term: Ints
    pairs: Ints
    pair_term: Ints
    idf: Floats
    components: Floats

    @property
    def dimensions(self) -> int:
        """Numbers a document becomes."""
        return int(self.components.shape[1])

    def transform(self, table: pa.Table) -> Floats:
        """Map rows to the latent space; a row without a known word is all zeros.

        Returns
        -------
        float32 (n, dimensions)
        """
        blocks = [
            _tfidf(self._counts(tokens), self.idf) @ self.components
            for tokens in _chunks(table, self.columns)
        ]
        if not blocks:
            return np.zeros((0, self.dimensions), np.float32)
        return np.ascontiguousarray(np.vstack(blocks), dtype=np.float32)

    def _counts(self, tokens: Tokens) -> Any:
        return _count_terms(
            _lookup(tokens, self.words), self.word_term, self.pairs, self.pair_term, len(self.idf)
        )


def fit_text(
    table: pa.Table, columns: tuple[str, ...], *, dimensions: int, seed: int, most_terms: int = MOST_TERMS
) -> TextSpace | None:
    """Fit a text space on a sample of the pool.

    Parameters
    ----------
    table : pyarrow.Table
        The sample. Needs about 30 bytes a word while it is fitted.
    columns : tuple of str
        Text columns, joined row by row.
    dimensions : int
        Wanted singular vectors; fewer where the sample has fewer documents or terms.
    seed : int
    most_terms : int
        Terms kept: those that occur in most documents.

    Returns
    -------
    TextSpace or None
        None where no text has a word that tells one document from another.
    """
    chunks = list(_chunks(table, columns))
    least = 1 if table.num_rows < 50 else 2
    words = _frequent_words(chunks, least)
    if len(words) == 0:
        return None
    looked_up = [_lookup(tokens, words) for tokens in chunks]
    word_term, pairs, pair_term, idf = _choose_terms(looked_up, len(words), table.num_rows, least, most_terms)
    counts = _stack([_count_terms(tokens, word_term, pairs, pair_term, len(idf)) for tokens in looked_up])
    components = _singular_vectors(_tfidf(counts, idf), dimensions, seed)
    if components.shape[1] == 0:
        return None
    return TextSpace(columns, words, word_term, pairs, pair_term, idf, components)


def _chunks(table: pa.Table, columns: tuple[str, ...]) -> Iterator[Tokens]:
    for start in range(0, table.num_rows, _CHUNK):
        yield tokenise(join_columns(table.slice(start, _CHUNK), columns, LONGEST_TEXT))


def _frequent_words(chunks: list[Tokens], least: int) -> pa.Array:
    """Words in at least `least` documents, at most `_MOST_WORDS` of them, sorted."""
    parts = []
    for tokens in chunks:
        seen = _distinct(tokens.rows * len(tokens.words) + tokens.codes) % max(len(tokens.words), 1)
        frequency = np.bincount(seen, minlength=len(tokens.words))
        parts.append(pa.table({"word": tokens.words.cast(pa.large_string()), "n": frequency}))
    table = pa.concat_tables(parts).group_by("word").aggregate([("n", "sum")])
    table = table.filter(pc.greater_equal(table["n_sum"], max(least, 1)))
    table = table.sort_by([("n_sum", "descending"), ("word", "ascending")]).slice(0, _MOST_WORDS)
    words = table["word"].combine_chunks()
    return words.take(pc.array_sort_indices(words))


def _lookup(tokens: Tokens, words: pa.Array) -> Tokens:
    """Code tokens by `words`; an unknown one becomes -1."""
    found = pc.fill_null(pc.index_in(tokens.words.cast(pa.large_string()), value_set=words), -1)
    known = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return Tokens(tokens.rows, known[tokens.codes], words, tokens.documents)


def _pair_keys(tokens: Tokens) -> tuple[Ints, Ints]:
    """Rows and keys of neighbouring known words."""
    first, second = tokens.codes[:-1], tokens.codes[1:]
    together = (first >= 0) & (second >= 0) & (tokens.rows[:-1] == tokens.rows[1:])
    return tokens.rows[1:][together], first[together] * len(tokens.words) + second[together]


def _distinct(keys: Ints) -> Ints:
    keys = np.sort(keys)
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _pair_frequencies(chunks: list[Tokens]) -> tuple[Ints, Ints]:
    """Document frequency of each word pair: keys, rising, and counts."""
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for tokens in chunks:
        rows, pairs = _pair_keys(tokens)
        unique, inverse = np.unique(pairs, return_inverse=True)
        seen = _distinct(rows * max(len(unique), 1) + inverse) % max(len(unique), 1)
        both = np.concatenate([keys, unique])
        added = np.concatenate([counts, np.bincount(seen, minlength=len(unique))])
        keys, place = np.unique(both, return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place, added)
    return keys, counts


def _choose_terms(
    chunks: list[Tokens], n_words: int, documents: int, least: int, most: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Take the most frequent words and pairs as terms; returns word_term, pairs, pair_term, idf."""
    word_frequency = np.zeros(n_words, np.int64)
    for tokens in chunks:
        known = tokens.codes >= 0
        seen = _distinct(tokens.rows[known] * n_words + tokens.codes[known]) % n_words
        word_frequency += np.bincount(seen, minlength=n_words)
    pairs, pair_frequency = _pair_frequencies(chunks)
    frequency = np.concatenate([word_frequency, pair_frequency])
    candidates = np.flatnonzero(frequency >= least)
    order = candidates[np.argsort(-frequency[candidates], kind="stable")][:most]
    chosen = np.sort(order)
    term = np.full(len(frequency), -1, np.int64)
    term[chosen] = np.arange(len(chosen))
    is_pair = term[n_words:] >= 0
    idf = np.log((1 + documents) / (1 + frequency[chosen])) + 1
    return term[:n_words], pairs[is_pair], term[n_words:][is_pair], idf.astype(np.float32)


def _count_terms(tokens: Tokens, word_term: Ints, pairs: Ints, pair_term: Ints, n_terms: int) -> Any:
    """Term counts, scipy CSR (documents, n_terms)."""
    from scipy import sparse

    known = tokens.codes >= 0
    rows, terms = tokens.rows[known], word_term[tokens.codes[known]]
    pair_rows, keys = _pair_keys(tokens)
    if len(pairs):
        place = np.minimum(np.searchsorted(pairs, keys), len(pairs) - 1)
        found = pairs[place] == keys
        rows = np.concatenate([rows, pair_rows[found]])
        terms = np.concatenate([terms, pair_term[place[found]]])
    real = terms >= 0
    ones = np.ones(int(real.sum()), np.float32)
    matrix = sparse.coo_matrix((ones, (rows[real], terms[real])), shape=(tokens.documents, n_terms)).tocsr()
    matrix.sum_duplicates()
    return matrix


def _stack(blocks: list[Any]) -> Any:
    from scipy import sparse

    return sparse.vstack(blocks, format="csr")


def _tfidf(counts: Any, idf: Floats) -> Any:
    """Weigh counts, (1 + ln tf) idf, and scale rows to length 1."""
    weighed = counts.copy()
    weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
    squares = np.bincount(
        np.repeat(np.arange(weighed.shape[0]), np.diff(weighed.indptr)),
        weighed.data**2,
        minlength=weighed.shape[0],
    )
    length = np.sqrt(np.maximum(squares, 1e-12))
    weighed.data = (weighed.data / np.repeat(length, np.diff(weighed.indptr))).astype(np.float32)
    return weighed


def _singular_vectors(matrix: Any, dimensions: int, seed: int) -> Floats:
    """Find right singular vectors, float32 (terms, <= dimensions), along which the rows differ."""
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    if matrix.shape[1] <= dimensions:
        components = np.eye(matrix.shape[1], dtype=np.float32)
    else:
        wanted = min(dimensions, matrix.shape[0])
        # One thread: the last bits must not depend on how many cores the machine has.
        with threadpool_limits(limits=1):
            _, singular, rows = randomized_svd(matrix, wanted, n_iter=4, random_state=seed)
        # A matrix of low rank has fewer directions than asked for: the others are rounding noise.
        components = rows[singular > 1e-5 * max(float(singular[0]), 1e-12)].T
    latent = matrix @ components
    differs = np.ptp(latent, axis=0) > 1e-6
    return np.ascontiguousarray(components[:, differs], dtype=np.float32)
