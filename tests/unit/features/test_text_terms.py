from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.features.hashing import hash_ngrams, hash_pairs, hash_words, mix
from tasks.features.terms import (
    Frequencies,
    Vocabulary,
    count_ngrams,
    count_words,
    ngram_frequencies,
    weigh,
    word_frequencies,
)
from tasks.features.tokens import tokenise

WORD = st.text(alphabet="abcéжก字😀", min_size=1, max_size=8)
DOCUMENTS = st.lists(st.lists(st.sampled_from(["a", "ab", "abc", "abcd", "éclat"]), max_size=6), max_size=6)


def strings(values):
    return pa.array(values, pa.large_string())


def ngrams_of(word):
    padded = f" {word} "
    return [padded[i : i + n] for n in (3, 4, 5) for i in range(len(padded) - n + 1)]


@given(st.lists(WORD, min_size=1, max_size=12, unique=True))
@settings(deadline=None)
def test_hashes_depend_on_the_word_alone(words):
    together = hash_words(strings(words))
    assert [int(hash_words(strings([word]))[0]) for word in words] == together.tolist()
    assert len(set(together.tolist())) == len(words)


@given(st.lists(WORD, max_size=8))
@settings(deadline=None)
def test_ngrams_are_those_of_each_padded_word(words):
    owners, hashes = hash_ngrams(strings(words))
    expected = [Counter(ngrams_of(word)) for word in words]
    name = {}
    for place, word in enumerate(words):
        found = Counter(hashes[owners == place].tolist())
        assert sorted(found.values()) == sorted(expected[place].values())
        alone = Counter(hash_ngrams(strings([word]))[1].tolist())
        assert alone == found
        name.update(dict.fromkeys(found))
    assert len(name) == len({ngram for counts in expected for ngram in counts})


def test_hashes_never_change():
    # Stored vocabularies depend on these.
    assert hash_words(strings(["word", "été"])).tolist() == GOLDEN_WORDS
    assert hash_ngrams(strings(["ab"]))[1].tolist() == GOLDEN_NGRAMS


GOLDEN_WORDS = [8883001529537433637, 11528478292069831506]
GOLDEN_NGRAMS = [14603706504266605985, 18064919905609835051, 1295232370474249157]


def test_the_order_within_a_pair_counts():
    one, two = hash_words(strings(["one", "two"]))
    pairs = hash_pairs(np.array([one, two, one]), np.array([two, one, one]))
    assert len(set(pairs.tolist())) == 3


@given(st.sets(st.integers(0, 2**64 - 1), max_size=50), st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_a_vocabulary_finds_its_keys_and_no_others(known, asked):
    keys = np.array(sorted(known), np.uint64)
    vocabulary = Vocabulary(keys)
    assert vocabulary.find(keys).tolist() == list(range(len(keys)))
    place = {key: number for number, key in enumerate(sorted(known))}
    assert vocabulary.find(np.array(asked, np.uint64)).tolist() == [place.get(key, -1) for key in asked]


@given(DOCUMENTS)
@settings(deadline=None, max_examples=40)
def test_counts_and_document_frequencies(documents):
    tokens = tokenise(strings([" ".join(words) for words in documents]))
    words, ngrams = Frequencies(), Frequencies()
    word_frequencies(tokens, words)
    ngram_frequencies(tokens, ngrams)
    for found, of_document, count in (
        (
            words,
            lambda ws: (
                [(w,) for w in map(nfkd, ws)] + list(zip(map(nfkd, ws), map(nfkd, ws[1:]), strict=False))
            ),
            count_words,
        ),
        (ngrams, lambda ws: [g for w in ws for g in ngrams_of(nfkd(w))], count_ngrams),
    ):
        keys, frequency = found.most_frequent(1000, 1)
        expected = Counter(term for ws in documents for term in set(of_document(ws)))
        assert sorted(frequency.tolist()) == sorted(expected.values())
        matrix = count(tokens, Vocabulary(keys)).toarray()
        assert matrix.shape == (len(documents), len(keys))
        assert (matrix > 0).sum(0).tolist() == frequency.tolist()
        assert matrix.sum(1).tolist() == [len(of_document(ws)) for ws in documents]


def nfkd(word):
    from unicodedata import normalize

    return normalize("NFKD", word)


def test_frequent_terms_survive_bounded_memory():
    rng = np.random.default_rng(0)
    frequencies = Frequencies(most=64)
    frequent = mix(np.arange(10, dtype=np.uint64))
    for _ in range(50):
        rare = np.unique(rng.integers(0, 2**63, 40).astype(np.uint64))
        keys = np.unique(np.concatenate([frequent, rare]))
        frequencies.update(keys, np.where(np.isin(keys, frequent), 5, 1))
    keys, counts = frequencies.most_frequent(10, 2)
    assert set(keys.tolist()) == set(frequent.tolist())
    assert counts.tolist() == [250] * 10


def test_chunks_add_up():
    texts = ["one two", "two three", "one two three", ""]
    whole, parts = Frequencies(), Frequencies()
    word_frequencies(tokenise(strings(texts)), whole)
    for text in texts:
        word_frequencies(tokenise(strings([text])), parts)
    for one, other in zip(whole.most_frequent(99, 1), parts.most_frequent(99, 1), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_sublinear_and_rows_have_length_one():
    tokens = tokenise(strings(["b b b b c", "", "c"]))
    words = Frequencies()
    word_frequencies(tokens, words)
    vocabulary = Vocabulary(np.sort(hash_words(strings(["b", "c"]))))
    b = int(vocabulary.find(hash_words(strings(["b"])))[0])
    weighed = weigh(count_words(tokens, vocabulary), np.ones(2, np.float32)).toarray()
    assert np.linalg.norm(weighed, axis=1) == pytest.approx([1, 0, 1])
    assert weighed[0, b] / weighed[0, 1 - b] == pytest.approx(1 + np.log(4))
