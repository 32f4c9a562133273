from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import PoolExhausted, UsageError
from tasks.strategies import Candidates
from tasks.strategies.apportion import in_turn, largest_remainder
from tasks.strategies.assembly import Assembly, as_in_flight
from tasks.strategies.balance import ClassBalanced
from tasks.strategies.bandit import Bandit
from tasks.strategies.base import Selecting, reach, score_needs, selection, stages, wants
from tasks.strategies.cluster import ClusterCover
from tasks.strategies.duplicates import Representatives, leaders
from tasks.strategies.positives import Positives
from tasks.strategies.quotas import Quotas
from tasks.strategies.ranked import entropy, margin, random
from tasks.strategies.ranking import tie_key
from tasks.strategies.shares import Shares
from tasks.strategies.testing import check_strategy, make_candidates
from tasks.strategies.uncertainty import margin as closeness

THREE = Shares(margin(), entropy(), random())


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@dataclass(frozen=True)
class Farthest(Selecting):
    """A small set strategy: farthest first from what is known and chosen."""

    name: str = "farthest"
    needs: frozenset[str] = frozenset({"features"})
    uses: frozenset[str] = frozenset({"known_features"})

    def score(self, candidates, rng):
        return random().score(candidates, rng)

    def reach(self, k):
        return 50 * k

    def select_explained(self, candidates, k, rng):
        tie_key(rng)
        known = candidates.known_features
        far = np.full(len(candidates), 1e9)
        for row in [] if known is None else known:
            far = np.minimum(far, np.abs(candidates.features - row).sum(axis=1))
        chosen = []
        for _ in range(k):
            chosen.append(int(np.argmax(far)))
            far = np.minimum(far, np.abs(candidates.features - candidates.features[chosen[-1]]).sum(axis=1))
            far[chosen] = -1
        return selection(chosen, np.ones(k), clusters=np.zeros(k, np.int64))


@dataclass(frozen=True)
class Refusing(Selecting):
    """A strategy that never has enough."""

    name: str = "refusing"
    needs: frozenset[str] = frozenset()

    def score(self, candidates, rng):
        return random().score(candidates, rng)

    def select_explained(self, candidates, k, rng):
        raise PoolExhausted("never enough")


@pytest.mark.parametrize(
    "strategy",
    [
        Quotas(margin()),
        Quotas(margin(), per_class=0.4, per_group=2),
        Quotas(random(), per_group=1),
        Representatives(margin()),
        Representatives(margin(), near=0.9),
        THREE,
        Shares(ClassBalanced(), Quotas(Representatives(entropy()), per_class=0.5), shares=(0.7, 0.3)),
    ],
    ids=lambda one: one.name,
)
def test_the_contract_holds(strategy):
    check_strategy(strategy)


def test_what_a_decorator_does_not_say_is_passed_on():
    candidates = make_candidates(40)
    for around in (Quotas, Representatives, ClassBalanced, Positives):
        strategy = around(Farthest())
        assert {"features", "known_features"} <= wants(strategy)
        assert stages(strategy)[0] == Farthest()
        assert score_needs(strategy) == {"features"}
        assert reach(strategy, 10) >= 500
        assert list(strategy.score(candidates, rng())) == list(Farthest().score(candidates, rng()))
    shares = Shares(Farthest(), THREE, shares=(0.5, 0.5))
    assert [stage.name for stage in stages(shares)] == ["farthest", "margin", "entropy", "random"]
    assert reach(shares, 100) == 5_000
    assert shares.needs == {"features", "proba"}
    assert "known_features" in wants(shares)


# --- quotas ---


def grouped(classes: list[int], groups: list[str], seed: int = 0) -> Candidates:
    candidates = make_candidates(len(classes), seed=seed)
    proba = np.full((len(classes), 3), 0.2, np.float32)
    proba[np.arange(len(classes)), classes] = 0.6
    proba[:, 0] += np.linspace(0, 1e-4, len(classes), dtype=np.float32)
    return replace(candidates, proba=proba, groups=np.array(groups, object))


def most(cells: Counter, class_room: int, group_room: int) -> int:
    """Largest batch within the quotas, by looking at all numbers of each class taken from each group."""
    best = 0
    names = list(cells)
    for taken in product(*(range(cells[name] + 1) for name in names)):
        by_class, by_group = Counter(), Counter()
        for (class_, group), number in zip(names, taken, strict=True):
            by_class[class_] += number
            by_group[group] += number
        if max(by_class.values()) <= class_room and max(by_group.values()) <= group_room:
            best = max(best, sum(taken))
    return best


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), min_size=1, max_size=12),
    st.sampled_from([0.2, 0.34, 0.5, 1.0]),
    st.sampled_from([None, 1, 2, 3]),
    st.floats(0, 1),
    st.sampled_from([margin(), Farthest(), random()]),
)
@settings(max_examples=120, deadline=None)
def test_quotas_hold_whenever_they_can(items, per_class, per_group, part, inner):
    classes, groups = [one[0] for one in items], [one[1] for one in items]
    candidates = grouped(classes, groups)
    k = round(part * len(items))
    chosen = Quotas(inner, per_class=per_class, per_group=per_group).select_explained(candidates, k, rng())
    over = np.zeros(k, bool) if chosen.parts is None else np.array(["quota" in one for one in chosen.parts])
    class_room = k if per_class == 1 else max(1, int(per_class * k + 1e-9))
    group_room = k if per_group is None else per_group
    within = chosen.positions[~over]
    if len(within):
        assert max(Counter(np.array(classes)[within]).values()) <= class_room
        assert max(Counter(np.array(groups)[within]).values()) <= group_room
    assert len(within) == min(k, most(Counter(items), class_room, group_room))
    assert not over[: len(within)].any()  # they come last


def test_quotas_take_the_best_that_they_allow():
    candidates = replace(make_candidates(400), groups=np.arange(400) % 40)
    batch = Quotas(margin(), per_group=1).select(candidates, 30, rng())
    expected, seen = [], set()
    for row in np.argsort(-closeness(candidates.proba)):
        if row % 40 not in seen:
            seen.add(row % 40)
            expected.append(row)
    assert list(batch) == expected[:30]


def test_a_quota_is_exceeded_only_when_it_must_and_says_so():
    candidates = grouped([0] * 10 + [1] * 2, ["a"] * 12)
    chosen = Quotas(margin(), per_class=0.5).select_explained(candidates, 10, rng())
    assert list(chosen.parts) == ["margin"] * 7 + ["margin, over quota"] * 3
    assert Quotas(margin(), per_class=0.5).select_explained(candidates, 4, rng()).parts is None


def test_groups_may_be_numbers_or_missing():
    candidates = replace(make_candidates(6), groups=np.array([1, None, "x", 2.5, None, 1], object))
    batch = Quotas(margin(), per_group=1).select(candidates, 4, rng())
    assert len({str(candidates.groups[row]) for row in batch}) == 4


@pytest.mark.parametrize(
    "wrong", [{"per_class": 0}, {"per_class": 1.1}, {"per_group": 0}, {"per_group": 1.5}, {"per_group": True}]
)
def test_quotas_refuse_wrong_parameters(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Quotas(margin(), **wrong)


# --- copies ---


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_contents_are_distinct_while_they_can_be(contents, part, seed):
    n = len(contents)
    candidates = replace(make_candidates(n, seed=seed), content=np.array(contents, np.uint64))
    k = round(part * n)
    chosen = Representatives(margin()).select_explained(candidates, k, rng())
    distinct = min(k, len(set(contents)))
    assert len(set(candidates.content[chosen.positions[:distinct]])) == distinct
    copies = [] if chosen.parts is None else [one for one in chosen.parts if one == "margin, copy"]
    assert len(copies) == k - distinct
    scores = closeness(candidates.proba)
    for row in chosen.positions[:distinct]:
        assert scores[row] == scores[candidates.content == candidates.content[row]].max()


def literal_leaders(rows: np.ndarray, near: float, known: np.ndarray) -> list[int]:
    found: list[int] = []
    for number, row in enumerate(rows):
        if not any(row @ other >= near for other in [*known, *rows[found]]):
            found.append(number)
    return found


@given(st.integers(0, 60), st.integers(0, 4), st.integers(0, 999), st.sampled_from([0.3, 0.7, 0.95]))
@settings(max_examples=40, deadline=None)
def test_leaders_are_those_of_the_literal_algorithm(n, m, seed, near):
    source = np.random.default_rng(seed)
    rows = source.normal(size=(n + m, 4))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found = np.flatnonzero(leaders(rows[:n], near, rows[n:]))
    assert list(found) == literal_leaders(rows[:n], near, rows[n:])


def test_blocks_of_leaders_make_no_difference(monkeypatch):
    rows = np.random.default_rng(1).normal(size=(300, 5))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    whole = leaders(rows, 0.8, rows[:3])
    monkeypatch.setattr("tasks.strategies.duplicates._ROWS", 7)
    monkeypatch.setattr("tasks.strategies.duplicates._LEADERS", 5)
    assert list(leaders(rows, 0.8, rows[:3])) == list(whole)
    assert 20 < whole.sum() < 250


def test_near_copies_of_items_and_of_known_items_come_last():
    source = np.random.default_rng(0)
    base = source.normal(size=(20, 16))
    features = np.vstack([base, base + 0.01, np.zeros((2, 16))]).astype(np.float32) * 1e9
    candidates = make_candidates(42)
    candidates = replace(
        candidates, features=features, known_features=features[:5] * 2, known_proba=candidates.known_proba
    )
    chosen = Representatives(margin(), near=0.99).select_explained(candidates, 18, rng())
    of = np.append(np.arange(40) % 20, [99, 99])[chosen.positions]
    assert len(set(of[:16])) == 16
    assert set(of[:16]) == {*range(5, 20), 99}
    assert list(chosen.parts) == ["margin"] * 16 + ["margin, copy"] * 2


def test_equal_directions_are_copies_at_a_cosine_of_one():
    features = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    candidates = make_candidates(100)
    doubled = replace(candidates, features=np.vstack([features, 3 * features]), known_features=None)
    doubled = replace(doubled, known_proba=None, known_classes=None, known_sources=None)
    batch = Representatives(margin(), near=1.0).select(doubled, 50, rng())
    assert len(set(batch % 50)) == 50


def test_uniform_draws_stay_uniform():
    with pytest.raises(UsageError, match=r"90% representatives\(margin\) \+ 10% random"):
        Representatives(random())
    assert Representatives(THREE).select_explained(make_candidates(50), 20, rng()).drawn is None


@pytest.mark.parametrize("near", [0, -1, 1.01])
def test_representatives_refuse_wrong_parameters(near):
    with pytest.raises(UsageError, match="near"):
        Representatives(margin(), near=near)


def test_many_candidates_take_little_time():
    features = np.random.default_rng(0).normal(size=(10_000, 64)).astype(np.float32)
    candidates = Candidates([f"i{n}" for n in range(10_000)], features=features)
    start = time.process_time()
    Representatives(Farthest(), near=0.9).select(candidates, 1, rng())
    assert time.process_time() - start < 3  # about 0.3 s


# --- shares ---


@given(st.integers(0, 500), st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_whole_numbers_add_up_and_are_near_their_shares(total, weights):
    counts = largest_remainder(total, weights)
    assert counts.sum() == total
    assert (np.abs(counts - total * np.array(weights) / sum(weights)) < 1).all()


@given(st.lists(st.integers(0, 30), max_size=5))
def test_each_beginning_of_a_batch_holds_the_shares(counts):
    order = in_turn(counts)
    owners = np.repeat(np.arange(len(counts)), counts)[order]
    assert sorted(order) == list(range(sum(counts)))
    for cut in range(1, sum(counts) + 1):
        held = np.bincount(owners[:cut], minlength=len(counts))
        assert (np.abs(held - cut * np.array(counts) / sum(counts)) <= len(counts) / 2 + 0.5).all()


@given(st.integers(0, 60), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_parts_have_their_shares_and_random_sees_all(k, seed):
    candidates = make_candidates(60, seed=seed)
    chosen = THREE.select_explained(candidates, k, rng(seed))
    counts = dict(zip(("margin", "entropy", "random"), largest_remainder(k, (0.6, 0.3, 0.1)), strict=True))
    found = {name: int((chosen.parts == name).sum()) for name in counts}
    if k >= 10:
        assert found == counts
    else:  # by lot, so that small batches keep the shares over the rounds
        assert sum(found.values()) == k
        assert all(
            abs(found[name] - share * k) < 1 for name, share in zip(found, (0.6, 0.3, 0.1), strict=True)
        )
    drawn = chosen.parts == "random"
    sample = random().select(candidates, int(drawn.sum()), rng(seed))
    assert list(chosen.positions[drawn]) == list(sample)
    if drawn.any():
        assert set(chosen.drawn[drawn]) == {drawn.sum() / 60}
        assert np.isnan(chosen.drawn[~drawn]).all()
    left = np.setdiff1d(np.arange(60), sample)
    best = left[margin().select(candidates.take(left), found["margin"], rng(seed))]
    assert list(chosen.positions[chosen.parts == "margin"]) == list(best)


def test_later_parts_see_earlier_picks_as_in_flight():
    features = np.array([[0.0], [1.0], [5.0], [9.0], [10.0]], np.float32)
    proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.5, 0.5]], np.float32)
    candidates = Candidates([f"i{n}" for n in range(5)], proba=proba, features=features)
    batch = Shares(margin(), Farthest(), shares=(0.5, 0.5)).select(candidates, 2, rng())
    assert list(batch) == [4, 0]


def test_what_a_part_cannot_fill_goes_to_the_others():
    candidates = make_candidates(30)
    chosen = Shares(Refusing(), margin(), shares=(0.5, 0.5)).select_explained(candidates, 10, rng())
    assert list(chosen.parts) == ["margin"] * 10
    assert set(chosen.positions) == set(margin().select(candidates, 10, rng()))
    with pytest.raises(PoolExhausted, match="never enough"):
        Shares(Refusing(), shares=(1,)).select(candidates, 10, rng())


def test_shares_inside_shares_tell_the_innermost_part():
    both = Shares(THREE, margin(), shares=(0.5, 0.5))
    assert both.name == "50% (60% margin + 30% entropy + 10% random) + 50% margin"
    assert replace(both, parts=(entropy(), margin())).name == "50% entropy + 50% margin"
    assert {"entropy", "random"} < set(both.select_explained(make_candidates(60), 40, rng()).parts)


@pytest.mark.parametrize("shares", [(0.5, 0.6), (0.5,), (1.5, -0.5), ()])
def test_shares_must_add_up(shares):
    with pytest.raises(UsageError, match=r"[Ss]hare"):
        Shares(margin(), random(), shares=shares)


def test_picks_are_put_down_to_the_strategy_that_chose_them():
    decorated = Quotas(Representatives(entropy()), per_group=5)
    strategy = Shares(decorated, random(), shares=(0.8, 0.2))
    assert strategy.name == "80% entropy + 20% random"
    assert set(strategy.select_explained(make_candidates(60), 10, rng()).parts) == {"entropy", "random"}
    assert set(decorated.select_explained(make_candidates(60), 30, rng()).parts) == {
        "entropy", "entropy, over quota",
    }  # fmt: skip


# --- batches of several choices ---


def test_picks_in_flight_fit_what_is_known():
    candidates = make_candidates(10)
    more = as_in_flight(candidates, np.array([3, 4]))
    assert more.n_known == 7
    assert list(more.known_classes[-2:]) == [-1, -1]
    assert (more.known_proba[-2:] == candidates.proba[[3, 4]]).all()
    some = as_in_flight(replace(candidates, known_features=None, proba=None), np.array([3]))
    assert some.known_features is None  # those of one of six would not fit together
    assert some.known_proba is None
    assert len(some.known_classes) == 6
    fresh = Candidates(candidates.ids, features=candidates.features)
    assert as_in_flight(fresh, np.array([1])).known_features.tolist() == [candidates.features[1].tolist()]


def test_clusters_of_several_choices_have_numbers_of_their_own():
    candidates = make_candidates(30)
    batch = Assembly(candidates, rng())
    for strategy in (Farthest(), margin(), ClusterCover()):
        batch.accept(batch.propose(strategy, 3), part=strategy.name)
    found = batch.result()
    assert list(found.clusters[:6]) == [0, 0, 0, -1, -1, -1]
    assert found.clusters[6:].min() >= 1
    assert list(found.parts) == ["farthest"] * 3 + ["margin"] * 3 + ["cluster_cover"] * 3


def test_a_bandit_keeps_its_arms_inside_shares():
    strategy = Shares(Bandit(margin(), entropy()), random(), shares=(0.8, 0.2))
    parts = set(strategy.select_explained(make_candidates(60), 40, rng()).parts)
    assert parts == {"margin", "entropy", "random"}


def test_batches_of_one_keep_the_shares_over_the_rounds():
    candidates = make_candidates(40)
    parts = [THREE.select_explained(candidates, 1, rng(seed)).parts[0] for seed in range(400)]
    for name, share in (("margin", 0.6), ("entropy", 0.3), ("random", 0.1)):
        assert abs(parts.count(name) / 400 - share) < 4 * (share * (1 - share) / 400) ** 0.5
