from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth import majority, majority_of_sets
from tasks.truth.labelset import indicators, names_of, text_of, texts_of

CLASSES = ("politics", "sport", 'a "b"', "\u00e4,]", "7")
SETS = st.lists(st.sampled_from(CLASSES), max_size=8)


@given(SETS, st.randoms(use_true_random=False))
def test_equal_sets_have_equal_texts(names, random):
    text = text_of(names, CLASSES)
    shuffled = [*names, *names]
    random.shuffle(shuffled)
    assert text_of(shuffled, CLASSES) == text
    assert json.loads(text) == [name for name in CLASSES if name in names]
    written = json.dumps(shuffled, indent=random.choice([None, 2]), ensure_ascii=random.choice([True, False]))
    assert text_of(names_of(written, CLASSES), CLASSES) == text


@given(st.lists(SETS, max_size=6))
def test_indicators_and_texts_are_the_same(sets):
    texts = [text_of(names, CLASSES) for names in sets]
    matrix = indicators(texts, CLASSES)
    assert matrix.dtype == np.int8
    assert matrix.shape == (len(sets), len(CLASSES))
    assert matrix.tolist() == [[int(name in names) for name in CLASSES] for names in sets]
    assert texts_of(matrix, CLASSES) == texts


def test_the_text_is_short():
    assert text_of(["sport", "politics", "sport"], CLASSES) == '["politics","sport"]'
    assert text_of([], CLASSES) == "[]"


def test_numbers_count_as_their_text():
    assert names_of("[7, 7.0]", CLASSES) == ("7",)
    assert names_of("[true]", ("false", "true")) == ("true",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sport", "no JSON list"),
        ('"sport"', "no JSON list"),
        ('{"sport": 1}', "no JSON list"),
        ("", "no JSON list"),
        ("[" * 100_000, "no JSON list"),
        ('["sport", "eggs"]', "'eggs' is none of the classes"),
        ("[null]", "None is none of the classes"),
        ('[["sport"]]', "none of the classes"),
        ("[7.5]", "none of the classes"),
    ],
)
def test_what_is_no_set_of_classes_is_refused(text, message):
    with pytest.raises(UsageError, match=message) as refused:
        names_of(text, CLASSES)
    assert len(str(refused.value)) < 200


def test_indicators_that_are_none_are_refused():
    for matrix in ([0, 1], [[0, 2]], [[0.5, 1]], np.zeros((3, 0))):
        with pytest.raises(UsageError):
            texts_of(matrix, ("a", "b"))
    with pytest.raises(UsageError, match="3 classes, and 2"):
        texts_of([[0, 1, 1]], ("a", "b"))
    with pytest.raises(UsageError, match="'c' is none"):
        text_of(["c"], ("a", "b"))


ANSWERS = st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(0, 2))), max_size=25)


@given(ANSWERS, st.randoms(use_true_random=False))
def test_each_class_is_voted_on_by_itself(answers, random):
    found = vote(answers)
    for item in range(5):
        sets = [named for i, named in answers if i == item]
        for label in range(3):
            share = sum(label in named for named in sets) / len(sets) if sets else 0.0
            assert found.labels[item, label] == (share > 0.5)
            expected = max(share, 1 - share) if sets else 0.0
            assert found.agreement[item, label] == pytest.approx(expected)
        assert found.confidence[item] == found.agreement[item].min()
    shuffled = list(answers)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(vote(shuffled).labels, found.labels)


def vote(answers):
    items = np.array([item for item, _ in answers], np.int64)
    named = np.array([[label in names for label in range(3)] for _, names in answers], np.int8).reshape(-1, 3)
    return majority_of_sets(items, named, n_items=5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=30))
def test_two_exclusive_classes_are_the_vote_over_one(annotations):
    """Apart from ties, where a class is chosen and a set stays empty."""
    items, answers = np.array(annotations).T
    one, _ = majority(items, answers, 2)
    sets = majority_of_sets(items, np.eye(2, dtype=np.int8)[answers])
    counts = Counter(map(tuple, annotations))
    for item in set(items.tolist()):
        tie = counts[item, 0] == counts[item, 1]
        assert sets.labels[item].tolist() == ([0, 0] if tie else np.eye(2)[one[item]].tolist())


def test_a_tie_is_no_label_and_shows():
    found = majority_of_sets(np.array([0, 0]), [[1, 1], [1, 0]])
    assert found.labels.tolist() == [[1, 0]]
    assert found.agreement.tolist() == [[1, 0.5]]
    assert found.confidence.tolist() == [0.5]


@pytest.mark.parametrize(
    ("item", "answers"), [([0], [[2]]), ([3], [[1]]), ([-1], [[1]]), ([0, 1], [[1]]), ([0], [1])]
)
def test_votes_that_do_not_fit_are_refused(item, answers):
    with pytest.raises(UsageError):
        majority_of_sets(np.array(item), answers, n_items=2)


def test_many_sets_take_little_time():
    classes = [f"class {n}" for n in range(300)]
    rng = np.random.default_rng(0)
    matrix = (rng.random((20_000, 300)) < 0.01).astype(np.int8)
    texts = texts_of(matrix, classes)
    np.testing.assert_array_equal(indicators(texts, classes), matrix)
    assert math.isclose(sum(map(len, texts)) / len(texts), 3 * 12, rel_tol=0.2)
