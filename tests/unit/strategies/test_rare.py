from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids
from tasks.strategies import Candidates
from tasks.strategies.balance import ClassBalanced, fill_rarest
from tasks.strategies.base import stages
from tasks.strategies.classes import balanced_margin, check_needs, known_labels
from tasks.strategies.direct import Direct, threshold, uncertain
from tasks.strategies.galaxy import Galaxy
from tasks.strategies.lines import Line
from tasks.strategies.positives import Positives
from tasks.strategies.ranked import margin, random
from tasks.strategies.ranking import tie_key
from tasks.strategies.testing import check_strategy
from tasks.strategies.uncertainty import margin as closeness


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def pool(n: int, m: int, n_classes: int, seed: int, *, steps: int = 12) -> Candidates:
    """Candidates and known items on a coarse grid of probabilities, so that many tie."""
    source = np.random.default_rng(seed)

    def proba(rows: int) -> np.ndarray:
        counts = source.multinomial(steps, source.dirichlet(np.ones(n_classes), rows))
        return (counts / steps).astype(np.float32)

    return Candidates(
        np.array([f"i{k}" for k in range(n)], object),
        proba=proba(n),
        features=source.normal(size=(n, 3)).astype(np.float32),
        known_proba=proba(m),
        known_classes=source.integers(-1, n_classes, m),
        known_features=source.normal(size=(m, 3)).astype(np.float32),
    )


@pytest.mark.parametrize(
    "strategy",
    [
        Galaxy(),
        Direct(),
        ClassBalanced(),
        ClassBalanced(random()),
        Positives(share=0.1),
    ],
    ids=lambda one: one.name,
)
def test_the_contract_holds(strategy):
    check_strategy(strategy)


# --- GALAXY against a literal reading ---


def literal_line(candidates: Candidates, class_: int, hashes: np.ndarray) -> list[tuple[int, int]]:
    """(candidate or -1, sign) from the surest of the class to the least sure."""
    nodes = []
    for row, p in enumerate(candidates.proba):
        top = p.max()
        nodes.append((-(p[class_] if p[class_] >= top else p[class_] - top), 1, int(hashes[row]), row, 0))
    for p, label in zip(candidates.known_proba, candidates.known_classes, strict=True):
        top = p.max()
        sign = 0 if label < 0 else 1 if label == class_ else -1
        nodes.append((-(p[class_] if p[class_] >= top else p[class_] - top), 0, int(label), -1, sign))
    return [(node[3], node[4]) for node in sorted(nodes)]


def literal_galaxy(candidates: Candidates, k: int, generator: np.random.Generator) -> list[int]:
    key, n_classes = tie_key(generator), candidates.proba.shape[1]
    hashes = hash_ids(candidates.ids, key)
    counts = [int((candidates.known_classes == c).sum()) for c in range(n_classes)]
    classes = sorted(range(n_classes), key=lambda c: (counts[c], c))
    classes = classes if n_classes > 2 else classes[:1]
    chosen: list[int] = []
    for draw in generator.integers(len(classes), size=k):
        line = literal_line(candidates, classes[draw], hashes)
        free = [item >= 0 and item not in chosen for item, _ in line]
        labels = [node for node, (_, sign) in enumerate(line) if sign]
        changes = [(a, b) for a, b in pairwise(labels) if line[a][1] != line[b][1]]
        between = [[x for x in range(a, b) if free[x]] for a, b in changes]
        if any(between):
            nodes = min((one for one in between if one), key=len)
            runs = np.split(nodes, np.flatnonzero(np.diff(nodes) > 1) + 1)
            run = max(runs, key=len)
            chosen.append(line[run[(len(run) - 1) // 2]][0])
        elif changes:
            above = [(a - x, 0, a, x) for a, _ in changes for x in range(a) if free[x]]
            below = [(x - b, 1, b, x) for _, b in changes for x in range(b, len(line)) if free[x]]
            chosen.append(line[min(above + below)[3]][0])
        else:
            left = [row for row in range(len(candidates)) if row not in chosen]
            chosen.append(min(left, key=lambda row: hashes[row]))
    return chosen


@given(
    n=st.integers(1, 30),
    m=st.integers(0, 14),
    n_classes=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    part=st.floats(0, 1),
)
@settings(max_examples=120, deadline=None)
def test_galaxy_is_its_literal_reading(n, m, n_classes, seed, part):
    candidates = pool(n, m, n_classes, seed)
    k = int(part * n)
    assert Galaxy().select(candidates, k, rng(seed)).tolist() == literal_galaxy(candidates, k, rng(seed))


def on_a_line(p: np.ndarray, known: np.ndarray, labels: list[int]) -> Candidates:
    """Two classes; p is the probability of class 0."""
    return Candidates(
        np.array([f"i{k}" for k in range(len(p))], object),
        proba=np.column_stack([p, 1 - p]).astype(np.float32),
        known_proba=np.column_stack([known, 1 - known]).astype(np.float32),
        known_classes=np.array(labels),
    )


def test_galaxy_cuts_the_shortest_stretch_evenly():
    p = np.linspace(0.99, 0.01, 99)
    candidates = on_a_line(p, np.array([0.905, 0.595, 0.105]), [0, 1, 0])
    chosen = p[Galaxy().select(candidates, 3, rng())]  # of 0.90 to 0.60, not of 0.59 to 0.11
    assert np.sort(chosen) == pytest.approx([0.675, 0.75, 0.83], abs=0.011)
    flight = replace(
        candidates,
        known_proba=np.vstack([candidates.known_proba, [[0.75, 0.25]]]).astype(np.float32),
        known_classes=np.array([0, 1, 0, -1]),
    )
    assert abs(p[Galaxy().select(flight, 1, rng())[0]] - 0.75) > 0.05


def test_galaxy_without_labels_is_random():
    candidates = pool(50, 6, 3, 1)
    for nothing in (
        replace(candidates, known_proba=None),
        replace(candidates, known_classes=np.full(6, -1)),
        replace(candidates, known_classes=np.ones(6, np.int64)),
    ):
        assert list(Galaxy().select(nothing, 9, rng())) == list(random().select(nothing, 9, rng()))


def test_the_boundary_of_a_class_that_the_model_never_predicts_is_found():
    source = np.random.default_rng(0)
    p = np.concatenate([source.uniform(0.08, 0.12, 20), source.uniform(0, 0.07, 1980)])
    known = np.array([0.11, 0.09, 0.06, 0.04, 0.01])
    candidates = on_a_line(p, known, [0, 0, 1, 1, 1])
    for strategy in (Galaxy(), Direct()):
        chosen = strategy.select(candidates, 10, rng())
        assert p[chosen].min() > 0.03
        assert p[chosen].max() < 0.1  # margin asks for the highest


# --- DIRECT ---


def literal_stretch(signs: list[int]) -> tuple[int, int]:
    first, last = 0, 0
    for node, sign in enumerate(signs):
        if sign < 0:
            break
        if sign > 0:
            first = node
    for node, sign in enumerate(signs[::-1]):
        if sign > 0:
            break
        if sign < 0:
            last = node
    return first, len(signs) - 1 - last


def as_line(signs: list[int]) -> Line:
    nodes = np.flatnonzero(np.array(signs) == 0)
    items = np.full(len(signs), -1)
    items[nodes] = np.arange(len(nodes))
    return Line(items, np.array(signs, np.int8), nodes)


@given(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=1, max_size=25))
@settings(max_examples=200)
def test_the_uncertain_stretch_and_the_threshold_are_those_of_the_reference(signs):
    assert uncertain(as_line(signs)) == literal_stretch(signs)
    found = threshold(as_line(signs))
    fits = [sum(signs[:cut]) - sum(signs[cut:]) for cut in range(len(signs) + 1)]
    assert fits[found] == max(fits)
    if 1 in signs:
        first = fits.index(max(fits))
        assert set(fits[first : found + 1]) == {max(fits)}
    else:
        assert found == 0


def literal_direct(candidates: Candidates, k: int, generator: np.random.Generator) -> set[int]:
    key, n_classes = tie_key(generator), candidates.proba.shape[1]
    hashes = hash_ids(candidates.ids, key)
    counts = [int((candidates.known_classes == c).sum()) for c in range(n_classes)]
    classes = sorted(range(n_classes), key=lambda c: (counts[c], c))
    classes = classes if n_classes > 2 else classes[:1]
    lines = [literal_line(candidates, one, hashes) for one in classes]
    chosen: set[int] = set()

    def shares(total: int) -> list[int]:
        return [total // len(lines) + (number < total % len(lines)) for number in range(len(lines))]

    for line, share in zip(lines, shares(k // 2), strict=True):
        first, last = literal_stretch([sign for _, sign in line])
        inside = [item for item, _ in line[first : last + 1] if item >= 0 and item not in chosen]
        chosen |= set(sorted(inside, key=lambda row: hashes[row])[:share])
    for line, share in zip(lines, shares(k - len(chosen)), strict=True):
        left = threshold(as_line([sign for _, sign in line])) - 1
        right, side = left + 1, 0
        while share and (left >= 0 or right < len(line)):
            node, left, right = (left, left - 1, right) if side == 0 else (right, left, right + 1)
            side = 1 - side
            if 0 <= node < len(line) and line[node][0] >= 0 and line[node][0] not in chosen:
                chosen.add(line[node][0])
                share -= 1
    return chosen


@given(st.integers(1, 40), st.integers(0, 15), st.integers(1, 4), st.integers(0, 5_000), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_direct_is_its_literal_reading(n, m, n_classes, seed, part):
    candidates = pool(n, m, n_classes, seed)
    k = int(part * n)
    chosen = Direct().select(candidates, k, rng(seed))
    assert set(chosen.tolist()) == literal_direct(candidates, k, rng(seed))


def test_direct_of_a_class_without_labels_asks_for_the_likeliest():
    p = np.linspace(0.5, 0.01, 50)
    candidates = on_a_line(p, np.array([0.3, 0.1]), [1, 1])
    chosen = Direct().select(candidates, 8, rng())
    assert set(range(4)) <= set(chosen.tolist())
    assert p[chosen].min() > 0.3


# --- balance ---


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
    st.floats(0, 1),
)
def test_places_go_to_the_rarest_class(counts, available, part):
    counts, rooms = np.array(counts), np.array(available[: len(counts)])
    k = int(part * rooms.sum())
    sequence, have, left = fill_rarest(counts, rooms, k), counts.copy(), rooms.copy()
    assert len(sequence) == k
    for class_ in sequence:
        assert left[class_] > 0
        assert have[class_] == have[left > 0].min()
        have[class_] += 1
        left[class_] -= 1


@given(st.integers(0, 5_000), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_balanced_batch_takes_the_inner_strategys_best_of_each_class(seed, k):
    candidates = pool(60, 12, 3, seed, steps=1000)
    chosen = ClassBalanced().select(candidates, k, rng(seed))
    predicted = candidates.proba.argmax(axis=1)
    waiting = candidates.known_classes < 0
    before = np.bincount(candidates.known_classes[~waiting], minlength=3)
    before += np.bincount(candidates.known_proba[waiting].argmax(axis=1), minlength=3)
    picked = np.bincount(predicted[chosen], minlength=3)
    open_ = picked < np.bincount(predicted, minlength=3)
    # Nobody who got a place was ahead of a class that still had candidates.
    for class_ in np.flatnonzero(picked):
        assert before[class_] + picked[class_] - 1 <= (before + picked)[open_].min(initial=10**6)
        scores = np.sort(closeness(candidates.proba[predicted == class_]))[::-1]
        own = closeness(candidates.proba[chosen[predicted[chosen] == class_]])
        np.testing.assert_array_equal(own, scores[: picked[class_]])


def test_balanced_stages_keep_what_is_rarely_predicted():
    source = np.random.default_rng(3)
    common, rare = source.uniform(0.5, 0.6, 990), source.uniform(0.1, 0.2, 10)
    p = np.concatenate([common, rare])  # the rare class is predicted with certainty
    candidates = on_a_line(p, np.full(5, 0.7), [0, 0, 0, 0, 1])
    kept = [set(np.argsort(-stage.score(candidates, rng()))[:20]) for stage in stages(ClassBalanced())]
    assert set(range(990, 1000)) <= kept[1]
    assert not set(range(990, 1000)) & kept[0]


def test_the_balanced_margin_is_the_margin_under_equal_priors():
    candidates = on_a_line(np.array([0.9, 0.5, 0.1]), np.full(10, 0.5), [0] * 1 + [1] * 9)
    odds = np.array([0.9 / 2, 0.5 / 2, 0.1 / 2]), np.array([0.1 / 10, 0.5 / 10, 0.9 / 10])
    p = odds[0] / (odds[0] + odds[1])
    assert balanced_margin(candidates) == pytest.approx(1 - np.abs(2 * p - 1), abs=1e-6)
    assert list(balanced_margin(replace(candidates, known_classes=None))) == list(closeness(candidates.proba))


# --- positives ---


def with_labels(n: int, labels: list[int], seed: int = 0) -> Candidates:
    candidates = pool(n, len(labels), 3, seed, steps=100_000)
    return replace(candidates, known_classes=np.array(labels, np.int64))


def test_classes_with_few_labels_get_their_share():
    candidates = with_labels(300, [0] * 9 + [1] * 2 + [2] * 3)
    chosen = Positives(share=0.5).select_explained(candidates, 20, rng())
    first = np.argsort(-candidates.proba[:, 1])[:5]
    assert list(chosen.positions[chosen.parts == "certain of class 1"]) == list(first)
    assert (chosen.parts == "certain of class 2").sum() == 5
    assert (chosen.parts == "margin").sum() == 10
    assert (chosen.parts[:4] == "margin").sum() == 2  # a batch that is cut short keeps the shares
    assert chosen.scores[chosen.parts == "certain of class 1"] == pytest.approx(candidates.proba[first, 1])


def test_the_search_ends_when_each_class_has_enough():
    candidates = with_labels(300, [0] * 5 + [1] * 5 + [2] * 5)
    chosen = Positives().select_explained(candidates, 20, rng())
    assert list(chosen.positions) == list(margin().select(candidates, 20, rng()))
    assert chosen.parts is None


def test_a_class_without_a_label_is_sought_by_cover_or_at_random():
    candidates = with_labels(300, [0] * 9 + [1] * 9)
    part = Positives().select_explained(candidates, 20, rng()).parts
    assert (part == "cluster_cover for classes without a label").sum() == 10
    part = Positives().select_explained(replace(candidates, features=None, known_features=None), 20, rng())
    assert (part.parts == "random for classes without a label").sum() == 10


def test_batches_of_one_keep_the_share():
    candidates = with_labels(50, [0] * 9 + [1] * 9 + [2])
    searched = [
        Positives(share=0.3).select_explained(candidates, 1, rng(seed)).parts[0] != "margin"
        for seed in range(200)
    ]
    assert 35 < sum(searched) < 88  # 60 expected, four standard deviations


def test_the_first_stage_keeps_the_likeliest_of_a_class_with_few_labels():
    candidates = with_labels(500, [0] * 90 + [1] * 2 + [2] * 90)
    certain = stages(Positives())[1].score(candidates, rng())
    assert list(np.argsort(-certain)[:30]) == list(np.argsort(-candidates.proba[:, 1])[:30])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"least": 0}, "least"), ({"least": 2.5}, "least"), ({"share": 0}, "share"), ({"share": 1.2}, "share")],
)
def test_positives_refuse_wrong_parameters(wrong, message):
    with pytest.raises(UsageError, match=message):
        Positives(**wrong)


def test_what_is_known_must_be_a_class():
    candidates = replace(with_labels(5, [0, 1]), known_classes=np.array([0, 7]))
    with pytest.raises(UsageError, match=r"holds 7; the 3 classes"):
        known_labels(candidates, 3)
    broken = replace(candidates, features=np.full((5, 3), np.nan, np.float32))
    with pytest.raises(UsageError, match=r"features.*'x'"):
        check_needs(broken, frozenset({"features"}), "x")
