from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth import majority

ANNOTATIONS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=40)


@given(ANNOTATIONS, st.randoms(use_true_random=False))
def test_it_is_the_commonest_answer_in_any_order(annotations, random):
    items, answers = np.array(annotations, np.int64).reshape(-1, 2).T
    labels, confidence = majority(items, answers, 4, n_items=7)
    assert labels.dtype == np.int64
    for item in range(7):
        votes = Counter(answer for i, answer in annotations if i == item)
        if not votes:
            assert (labels[item], confidence[item]) == (-1, 0)
            continue
        most = max(votes.values())
        assert labels[item] == min(answer for answer, n in votes.items() if n == most)
        assert confidence[item] == pytest.approx(most / votes.total())
    shuffled = list(annotations)
    random.shuffle(shuffled)
    again = majority(*np.array(shuffled, np.int64).reshape(-1, 2).T, 4, n_items=7)
    np.testing.assert_array_equal(again[0], labels)


def test_a_tie_goes_to_the_first_class_and_shows_in_the_confidence():
    labels, confidence = majority(np.array([0, 0, 1]), np.array([2, 1, 2]), 3)
    assert labels.tolist() == [1, 2]
    assert confidence.tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ("item", "answer"), [([0], [3]), ([-1], [0]), ([0], [-1]), ([0, 1], [0]), ([9], [0])]
)
def test_codes_out_of_range_are_refused(item, answer):
    with pytest.raises(UsageError):
        majority(np.array(item), np.array(answer), 3, n_items=2)
