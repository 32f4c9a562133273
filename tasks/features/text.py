"""Text columns to a few dense numbers: TF-IDF of terms, then latent semantic analysis.

Trees split one coordinate at a time, so thousands of sparse counts starve them while labels are few. The
singular vectors of the whole pool's TF-IDF matrix gather terms that occur together, without one label
(Deerwester et al., 1990, "Indexing by Latent Semantic Analysis"). A linear model learns from fewer labels on
them than on the counts, too, as long as each dimension keeps its own variance: standardised one by one, the
small dimensions, which are mostly noise, drown the large ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.features.html import LONGEST_TEXT, bound, plain_text
from tasks.features.terms import (
    Frequencies,
    Vocabulary,
    count_ngrams,
    count_words,
    ngram_frequencies,
    weigh,
    word_frequencies,
)
from tasks.features.tokens import Tokens, join_texts, text_column, tokenise

__all__ = ["DIMENSIONS", "LONGEST_TEXT", "TextSpace", "fit_text", "join_documents"]

Floats = NDArray[np.float32]

DIMENSIONS = 128
MOST_WORDS = 30_000
MOST_NGRAMS = 30_000
# Singular vectors come from at most so many counts, 8 bytes each; of longer samples every second, third, ... row.
_MOST_COUNTS = 20_000_000
_CHUNK = 4_096


@dataclass(frozen=True)
class TextSpace:
    """A fitted map from text columns to `dimensions` numbers.

    Attributes
    ----------
    columns : tuple of str
        Joined row by row.
    words : Vocabulary
        Words and word pairs, w of them.
    ngrams : Vocabulary
        Character n-grams, g of them.
    idf : float32 (w + g,)
        Inverse document frequencies, those of words first.
    components : float32 (w + g, dimensions)
        Right singular vectors, all scaled by one number so that a dimension has variance 1 on average.
    """

    columns: tuple[str, ...]
    words: Vocabulary
    ngrams: Vocabulary
    idf: Floats
    components: Floats

    @property
    def dimensions(self) -> int:
        """Numbers a document becomes."""
        return int(self.components.shape[1])

    def transform(self, table: pa.Table) -> Floats:
        """Map rows to the latent space; a row without a known term is all zeros.

        Returns
        -------
        float32 (n, dimensions)
            The same bits for a row whatever rows are mapped with it.
        """
        blocks = [
            weighed @ self.components
            for weighed in _weighed(_chunks(table, self.columns), self.words, self.ngrams, self.idf)
        ]
        if not blocks:
            return np.zeros((0, self.dimensions), np.float32)
        return np.ascontiguousarray(np.vstack(blocks), dtype=np.float32)


def join_documents(table: pa.Table, columns: tuple[str, ...]) -> pa.Array:
    """Join text columns row by row, each bounded and freed of HTML; pyarrow.LargeStringArray (n,)."""
    return join_texts([plain_text(bound(text_column(table, name))) for name in columns])


def fit_text(
    table: pa.Table,
    columns: tuple[str, ...],
    *,
    dimensions: int,
    seed: int,
    most_words: int = MOST_WORDS,
    most_ngrams: int = MOST_NGRAMS,
) -> TextSpace | None:
    """Fit a text space on a sample of the pool.

    Parameters
    ----------
    table : pyarrow.Table
        The sample.
    columns : tuple of str
        Text columns, joined row by row.
    dimensions : int
        Wanted singular vectors; fewer where the sample has fewer documents or terms.
    seed : int
        Of the randomised decomposition (Halko, Martinsson and Tropp, 2011).
    most_words, most_ngrams : int
        Terms kept of each kind: those that occur in most documents.

    Returns
    -------
    TextSpace or None
        None where no text has a term that tells one document from another.
    """
    words, ngrams = Frequencies(), Frequencies()
    for tokens in _chunks(table, columns):
        word_frequencies(tokens, words)
        ngram_frequencies(tokens, ngrams)
    least = 1 if table.num_rows < 50 else 2
    word_keys, in_word = words.most_frequent(most_words, least)
    ngram_keys, in_ngram = ngrams.most_frequent(most_ngrams, least)
    documents = np.concatenate([in_word, in_ngram])
    if len(documents) == 0:
        return None
    idf = (np.log((1 + table.num_rows) / (1 + documents)) + 1).astype(np.float32)
    known = Vocabulary(word_keys), Vocabulary(ngram_keys)
    every = -(-int(documents.sum()) // _MOST_COUNTS)
    weighed = _stack(list(_weighed(_chunks(table, columns, every), *known, idf)))
    components = _singular_vectors(weighed, dimensions, seed)
    return TextSpace(columns, *known, idf, components) if components.shape[1] else None


def _chunks(table: pa.Table, columns: tuple[str, ...], every: int = 1) -> Iterator[Tokens]:
    """Tokenise every so-manieth row."""
    for start in range(0, table.num_rows, _CHUNK * every):
        rows = table.select(list(columns)).slice(start, _CHUNK * every)
        if every > 1:
            rows = rows.take(pa.array(np.arange(0, rows.num_rows, every)))
        yield tokenise(join_documents(rows, columns))


def _weighed(chunks: Iterator[Tokens], words: Vocabulary, ngrams: Vocabulary, idf: Floats) -> Iterator[Any]:
    """TF-IDF, scipy CSR float32 (rows, terms), each row of length 1 where it has both kinds of terms."""
    from scipy import sparse

    for tokens in chunks:
        kinds = [
            weigh(count_words(tokens, words), idf[: len(words)]),
            weigh(count_ngrams(tokens, ngrams), idf[len(words) :]),
        ]
        both = sparse.hstack(kinds, format="csr")
        both.data *= np.float32(np.sqrt(0.5))
        yield both


def _stack(blocks: list[Any]) -> Any:
    from scipy import sparse

    return sparse.vstack(blocks, format="csr")


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
            _, singular, rows = randomized_svd(matrix, wanted, n_iter=2, random_state=seed)
        # A matrix of low rank has fewer directions than asked for: the others are rounding noise.
        components = rows[singular > 1e-5 * max(float(singular[0]), 1e-12)].T
    latent = matrix @ components
    differs = np.ptp(latent, axis=0) > 1e-6
    if not differs.any():
        return np.zeros((matrix.shape[1], 0), np.float32)
    variance = float(np.mean(np.var(latent[:, differs], axis=0, dtype=np.float64)))
    return np.ascontiguousarray(components[:, differs] / np.sqrt(variance), dtype=np.float32)
