from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.pool.sampling import BottomK, hash_ids
from tasks.strategies import Candidates, Selection, Shortlist, get, names, registry, tie_key
from tasks.strategies.testing import check_strategy, make_candidates, take
from tasks.strategies.uncertainty import entropy, least_confidence, margin

MEASURES = (least_confidence, margin, entropy)
BUILT_IN = (
    "auto", "random", "least_confidence", "margin", "entropy", "expected_cost", "power_margin",
    "vote_entropy", "consensus_entropy", "max_disagreement", "bald",
    "cold_start", "cluster_cover", "kcenter", "kmeans", "typiclust", "facility_location", "information_density",
    "leaf_change", "badge", "margin_kmeans", "cluster_margin", "margin_kcenter",
    "class_balanced", "positives", "galaxy", "direct", "bandit",
)  # fmt: skip
COMPOSED = (
    "margin > kcenter",
    "60 % margin, 30 % kcenter, 10 % random",
    "quotas(class_balanced(margin), per_class=0.5, per_group=2)",
    "explore(badge, share=0.3)",
    "90% representatives(positives(margin_kmeans), near=0.9) + 10% random",
)
# One number by two formulas, one formula with two names, or what another does without labels.
ALIKE = {"expected_cost", "max_disagreement", "cold_start"}


def probabilities(n_classes: int, rows: int = 12) -> st.SearchStrategy[np.ndarray]:
    positive = arrays(np.float64, (rows, n_classes), elements=st.floats(1e-3, 1))
    return positive.map(lambda a: a / a.sum(axis=1, keepdims=True))


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", [*names(), *COMPOSED])
def test_every_strategy_keeps_the_contract(name):
    check_strategy(get(name))


def test_names_are_those_that_the_campaign_may_say():
    assert names()[: len(BUILT_IN)] == BUILT_IN
    assert all(get(name).name == name for name in BUILT_IN)
    with pytest.raises(UsageError, match=r"'margn'\. Did you mean margin\?"):
        get("margn")


def test_strategies_of_different_names_choose_differently():
    candidates = make_candidates(400, seed=1, n_classes=5)
    different = sorted(set(BUILT_IN) - ALIKE)
    batches = {name: tuple(get(name).select(candidates, 20, rng())) for name in different}
    assert len(set(batches.values())) == len(different)


# --- the contract test itself finds offenders ---


class FirstRows:
    name = "first_rows"
    needs: frozenset[str] = frozenset()

    def score(self, candidates, rng):
        return np.linspace(1, 0, len(candidates), dtype=np.float32)

    def select(self, candidates, k, rng):
        return np.arange(k)

    def select_explained(self, candidates, k, rng):
        return Selection(np.arange(k), np.ones(k, np.float32), np.arange(1, k + 1))


def test_the_contract_test_finds_dependence_on_row_order():
    with pytest.raises(AssertionError, match="order of the rows"):
        check_strategy(FirstRows())


def test_others_register_by_entry_point(monkeypatch):
    point = EntryPoint("first_rows", f"{__name__}:FirstRows", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: FirstRows)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    assert names() == (*BUILT_IN, "first_rows")
    assert isinstance(get("first_rows"), FirstRows)


def test_a_strategy_that_does_not_load_is_a_usage_error(monkeypatch):
    point = EntryPoint("broken", "no_such_module_at_all:Thing", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(UsageError, match=r"'broken'.*no_such_module_at_all"):
        get("broken")


# --- measures ---


@given(probabilities(2))
def test_two_classes_give_one_order(p):
    first, second = margin(p).astype(float), least_confidence(p).astype(float)
    np.testing.assert_allclose(first, 2 * second, atol=1e-6)
    order = np.argsort(first)
    assert (np.diff(entropy(p).astype(float)[order]) >= -1e-6).all()


def test_three_classes_differ():
    p = np.array([[0.5, 0.5, 0], [0.4, 0.3, 0.3]])
    assert [int(measure(p).argmax()) for measure in MEASURES] == [1, 0, 1]
    assert margin(p) == pytest.approx([1, 0.9])
    assert entropy(p) == pytest.approx([np.log(2), -0.4 * np.log(0.4) - 0.6 * np.log(0.3)])


@given(probabilities(4), st.permutations(range(4)))
def test_measures_do_not_depend_on_the_order_of_classes(p, order):
    for measure in MEASURES:
        np.testing.assert_allclose(measure(p[:, order]), measure(p), atol=1e-6)


@given(probabilities(5), st.integers(0, 4))
def test_uniform_is_the_most_and_certain_the_least(p, certain):
    for measure in MEASURES:
        highest = measure(np.full((1, 5), 0.2))[0]
        lowest = measure(np.eye(5)[[certain]])[0]
        scores = measure(p)
        assert lowest == 0
        assert (scores <= highest + 1e-6).all()
        assert (scores >= lowest).all()
        assert scores.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.2, 1.5])
def test_measures_refuse_what_is_no_probability(bad):
    p = np.array([[0.5, 0.5], [0.5, bad]])
    for measure in MEASURES:
        with pytest.raises(UsageError, match="row 1"):
            measure(p)
        with pytest.raises(UsageError, match="shape"):
            measure(p[0])


# --- candidates ---


def test_candidates_that_do_not_fit_together_are_refused():
    ids = np.array(["a", "b"], dtype=object)
    for field in (
        {"proba": np.zeros((3, 2))},
        {"features": np.zeros(2)},
        {"committee_proba": np.zeros((2, 3, 2))},
    ):
        with pytest.raises(UsageError, match=next(iter(field))):
            Candidates(ids, **field)
    with pytest.raises(UsageError, match="one feature space"):
        Candidates(ids, features=np.zeros((2, 3)), known_features=np.zeros((5, 4)))
    assert len(Candidates(pa.array(["a", "b", "c"]))) == 3


# --- ties, random, shortlists ---


def test_random_is_the_bottom_k_sample_of_its_key():
    candidates = make_candidates(500)
    key = tie_key(rng())
    table = pa.table({"id": pa.array(candidates.ids, pa.string())})
    sample = BottomK(40, key).update(table.column("id"), table).result()
    assert sample.column("id").to_pylist() == list(
        candidates.ids[get("random").select(candidates, 40, rng())]
    )


def test_random_is_uniform():
    candidates = make_candidates(20)
    counts = np.zeros(20)
    for seed in range(400):
        counts[get("random").select(candidates, 5, np.random.default_rng(seed))] += 1
    assert ((counts - 100) ** 2 / 100).sum() < 43.8  # chi square, 19 degrees of freedom, p = .001


@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=60),
    m=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_a_shortlist_does_not_depend_on_order_or_chunks(scores, m, cuts, seed):
    values = np.array(scores, np.float32)
    ids = np.array([f"i{n}" for n in range(len(values))], dtype=object)
    table = pa.table({"id": pa.array(ids, pa.string()), "score": values})
    whole = Shortlist(m, 3).update(values, table.column("id"), table)
    order = np.random.default_rng(seed).permutation(len(values))
    shards = [Shortlist(m, 3) for _ in range(2)]
    for number, part in enumerate(np.split(order, sorted(min(cut, len(order)) for cut in cuts))):
        shards[number % 2].update(values[part], ids[part], table.take(pa.array(part, pa.int64())))
    merged = shards[0].merge(shards[1])
    assert merged.result().equals(whole.result())
    assert merged.seen == len(values)
    assert list(merged.ids) == whole.result().column("id").to_pylist()
    expected = sorted(zip(-values, hash_ids(ids, 3), ids, strict=True))[:m]
    assert list(merged.ids) == [one for _, _, one in expected]


def test_first_stage_and_shortlist_lead_to_the_batch_of_the_whole():
    candidates = make_candidates(1000, seed=4)
    candidates = replace(candidates, proba=np.round(candidates.proba, 1))  # many ties
    for name in ("margin", "entropy", "random"):
        strategy = get(name)
        shortlist = Shortlist(100, tie_key(rng()))
        for start in range(0, 1000, 130):
            part = take(candidates, np.arange(start, min(start + 130, 1000)))
            rows = pa.table({"row": np.arange(start, start + len(part))})
            shortlist.update(strategy.score(part, rng()), part.ids, rows)
        rows = shortlist.result().column("row").to_numpy()
        chosen = rows[strategy.select(take(candidates, rows), 50, rng())]
        assert list(chosen) == list(strategy.select(candidates, 50, rng()))


def test_shortlists_refuse_what_does_not_belong_together():
    table = pa.table({"id": ["a", "b"]})
    with pytest.raises(UsageError, match="finite"):
        Shortlist(2, 0).update(np.array([1, np.nan], np.float32), ["a", "b"], table)
    with pytest.raises(UsageError, match="belong together"):
        Shortlist(2, 0).update(np.ones(3, np.float32), ["a", "b"], table)
    with pytest.raises(UsageError, match="merged"):
        Shortlist(2, 0).merge(Shortlist(2, 1))
    assert Shortlist(2, 0).result() is None


# --- cluster cover ---


def blobs(sizes: list[int], seed: int = 0) -> Candidates:
    generator = np.random.default_rng(seed)
    centres = np.eye(len(sizes), 8) * 100
    features = np.vstack(
        [generator.normal(centre, 1, (n, 8)) for centre, n in zip(centres, sizes, strict=True)]
    )
    ids = np.array([f"b{n}" for n in range(len(features))], dtype=object)
    return Candidates(ids, features=features.astype(np.float32))


def test_each_cluster_gives_one_item_the_largest_first():
    candidates = blobs([50, 20, 10, 5, 1])
    chosen = get("cluster_cover").select_explained(candidates, 5, rng())
    blob = np.repeat(np.arange(5), [50, 20, 10, 5, 1])
    assert blob[chosen.positions].tolist() == [0, 1, 2, 3, 4]
    assert len(set(chosen.clusters.tolist())) == 5
    assert chosen.scores == pytest.approx(np.array([50, 20, 10, 5, 1]) / 86)


def test_the_item_nearest_to_the_centre_stands_for_its_cluster():
    candidates = blobs([60, 30])
    for position in get("cluster_cover").select(candidates, 2, rng()):
        own = np.arange(60) if position < 60 else np.arange(60, 90)
        distance = np.linalg.norm(candidates.features[own] - candidates.features[own].mean(axis=0), axis=1)
        assert own[distance.argmin()] == position


def test_clusters_with_known_items_come_last():
    candidates = blobs([50, 20, 10, 5])
    known = replace(candidates, known_features=candidates.features[:1] + 0.01)
    chosen = get("cluster_cover").select(known, 3, rng())
    assert chosen[0] >= 50  # the largest blob is known already
    again = replace(known, known_features=np.repeat(known.known_features, 9, axis=0))
    assert list(get("cluster_cover").select(again, 3, rng())) == list(chosen)


def test_large_covers_go_by_mini_batches(monkeypatch):
    monkeypatch.setattr("tasks.strategies.geometry.FULL_PASS", 1)
    check_strategy(get("cluster_cover"))
