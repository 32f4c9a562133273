"""Two stages, exploration, the cold start, and what a campaign adds to a strategy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.strategies import COLD_START, cold_start_reason, get
from tasks.strategies.compose import Additions, compose
from tasks.strategies.testing import make_candidates
from tasks.strategies.uncertainty import margin


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def chosen(text: str, candidates, k: int, seed: int = 7) -> set[int]:
    return set(get(text).select(candidates, k, rng(seed)).tolist())


def blobs(n: int = 600, seed: int = 0):
    """Items in six blobs; those of the first are the least certain, nearly alike."""
    generator = rng(seed)
    candidates = make_candidates(n, seed=seed, n_classes=2, width=2)
    blob = np.arange(n) % 6
    features = (10 * blob[:, None] + generator.normal(size=(n, 2))).astype(np.float32)
    first = np.where(blob == 0, 0.5 + 1e-3 * generator.random(n), 0.6 + 0.3 * generator.random(n))
    proba = np.column_stack([first, 1 - first]).astype(np.float32)
    return replace(candidates, features=features, proba=proba, known_features=None, known_content=None), blob


@pytest.mark.parametrize("text", ["margin_kmeans(beta=1)", "cluster_margin(factor=1)", "margin > margin"])
def test_a_shortlist_as_large_as_the_batch_is_the_batch(text):
    for seed in range(5):
        candidates = make_candidates(120, seed=seed)
        assert chosen(text, candidates, 13) == chosen("margin", candidates, 13)


@pytest.mark.parametrize("text", ["margin_kmeans", "cluster_margin(clusters=6)", "margin_kcenter(factor=12)"])
def test_hybrids_spread_where_margin_does_not(text):
    candidates, blob = blobs()
    assert set(blob[list(chosen("margin", candidates, 30))]) == {0}
    # 300 shortlisted items for 30 places (cluster_margin: 90, all in the first blob, so it is not asked for more).
    if not text.startswith("cluster_margin"):
        assert len(set(blob[list(chosen(text, candidates, 30))])) >= 3
    spread = chosen(text, candidates, 30)
    assert len(spread) == 30


def test_cluster_margin_goes_round_the_clusters():
    candidates, blob = blobs()
    even = replace(candidates, proba=np.full_like(candidates.proba, 0.5))
    explained = get("cluster_margin(clusters=6, factor=20)").select_explained(even, 30, rng())
    assert np.bincount(blob[explained.positions]).tolist() == [5] * 6
    assert sorted(set(explained.clusters.tolist())) == [0, 1, 2, 3, 4, 5]


def test_one_place_is_given_to_one_of_the_shortlist():
    candidates = make_candidates(200)
    best = np.argsort(-margin(candidates.proba))[:10]
    assert chosen("margin_kmeans", candidates, 1) <= set(best.tolist())


def test_the_shortlist_of_many_classes_is_shorter():
    for n_classes, beta in ((2, 10), (4, 5), (10, 3)):
        candidates = make_candidates(300, n_classes=n_classes)
        assert chosen("margin_kmeans(beta=null)", candidates, 8) == chosen(
            f"margin_kmeans(beta={beta})", candidates, 8
        )
    assert chosen("auto(explore=0)", candidates, 8) == chosen("margin_kmeans(beta=3)", candidates, 8)


def test_two_stages_choose_within_the_first():
    candidates = make_candidates(300)
    within = chosen("margin", candidates, 40)
    assert chosen("shortlist_then(margin, kcenter, factor=4)", candidates, 10) <= within
    assert get("margin > kcenter").reach(50) >= 500
    with pytest.raises(UsageError, match="factor must be at least 1"):
        get("shortlist_then(margin, kcenter, factor=0.5)")


@pytest.mark.parametrize(
    "text", ["margin_kmeans(beta=0)", "cluster_margin(factor=0)", "cluster_margin(clusters=0)"]
)
def test_parameters_are_checked(text):
    with pytest.raises(UsageError, match="must be"):
        get(text)


# --- exploration ---


def test_exploration_keeps_its_share_over_rounds_of_one():
    candidates = make_candidates(50)
    strategy = get("explore(margin, share=0.2)")
    parts = [strategy.select_explained(candidates, 1, rng(seed)).parts[0] for seed in range(300)]
    assert set(parts) == {"random", "margin"}
    assert 35 <= parts.count("random") <= 87  # 60 expected, 4 standard deviations


def test_what_is_explored_is_a_uniform_draw_with_its_probability():
    candidates = make_candidates(80)
    explained = get("explore(margin, share=0.25)").select_explained(candidates, 20, rng())
    drawn = explained.parts == "random"
    assert drawn.sum() == 5
    assert set(explained.positions[drawn]) == chosen("random", candidates, 5)
    assert np.array_equal(np.isnan(explained.drawn), ~drawn)
    assert set(explained.drawn[drawn]) == {5 / 80}
    assert chosen("explore(margin, share=0)", candidates, 9) == chosen("margin", candidates, 9)
    assert chosen("explore(margin, share=1)", candidates, 9) == chosen("random", candidates, 9)


# --- what a campaign adds ---


@pytest.mark.parametrize(
    "text", ["random", "auto", "50% margin + 30% kcenter + 20% random", "explore(kcenter)"]
)
def test_random_picks_stay_uniform_whatever_is_added(text):
    base = make_candidates(100)
    copies = base.take(np.repeat(np.arange(20), 5))
    ids = np.array([f"copy-{row}" for row in range(100)], object)
    candidates = replace(copies, ids=ids, known_content=None, known_features=None)
    strategy = compose(get(text), Additions(near=0.9, per_class=0.5, per_group=3))
    explained = strategy.select_explained(candidates, 20, rng())
    drawn = np.isfinite(explained.drawn)
    n = int(drawn.sum())
    assert n > 0
    assert set(explained.positions[drawn]) == chosen("random", candidates, n)
    assert set(explained.drawn[drawn]) == {n / 100}


def test_copies_are_left_out_across_parts():
    base = make_candidates(40)
    copies = base.take(np.repeat(np.arange(20), 5))
    candidates = replace(
        copies, ids=np.array([f"copy-{row}" for row in range(100)], object), known_content=None
    )
    batch = compose(get("50% margin + 50% entropy"), Additions()).select(candidates, 20, rng())
    assert len(set(candidates.content[batch])) == 20
    allowed = compose(get("50% margin + 50% entropy"), Additions(copies=True)).select(candidates, 20, rng())
    assert len(set(candidates.content[allowed])) < 20


def test_copies_of_labelled_items_come_last():
    candidates = replace(make_candidates(30), known_content=None, known_features=None, known_proba=None)
    best = int(get("margin").select(candidates, 1, rng())[0])
    known = replace(
        candidates, known_content=candidates.content[[best]], known_classes=np.array([0]),
        known_sources=np.array([""], object),
    )  # fmt: skip
    strategy = compose(get("margin"), Additions())
    assert best in strategy.select(candidates, 29, rng())
    assert best not in strategy.select(known, 29, rng())


# --- cold start ---


def test_the_cold_start_covers_first_and_then_searches():
    candidates = make_candidates(300)
    few = replace(candidates, known_classes=np.zeros(5, np.int64))
    assert chosen(COLD_START, few, 20) == chosen("cluster_cover", candidates, 20)
    many = replace(
        candidates, known_classes=np.zeros(20, np.int64), known_features=None, known_proba=None,
        known_sources=None, known_content=None,
    )  # fmt: skip
    parts = get(COLD_START).select_explained(many, 20, rng()).parts
    assert {name: int((parts == name).sum()) for name in set(parts)} == {
        "cluster_cover": 8, "kcenter": 8, "random": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("per_class", "starts"),
    [
        ([2, 2], True),
        ([99, 1], False),
        ([3, 3, 0], False),
        ([30, 30, 0], True),  # 60 labels, 20 a class: the third class may never come
        ([60, 0, 0], False),  # of one class alone nothing can be learned
    ],
)
def test_when_a_model_can_choose(per_class, starts):
    reason = cold_start_reason(per_class, "abc"[: len(per_class)])
    assert (reason is None) == starts
    if reason is not None:
        assert "fewer than 2 labels of a class" in reason
    assert cold_start_reason([30, 30, 0], "abc", until=61) is not None


def test_a_cover_of_one_goes_on_to_what_is_not_known():
    """Twenty times one item, as a campaign in batches of one: twenty blobs, no blob twice."""
    generator = rng(3)
    blob = np.arange(400) % 20
    centres = generator.normal(size=(20, 3)) * 50
    features = (centres[blob] + generator.normal(size=(400, 3))).astype(np.float32)
    base = make_candidates(400)
    taken: list[int] = []
    for step in range(20):
        free = np.setdiff1d(np.arange(400), taken)
        candidates = replace(
            base, features=features, known_features=features[taken], known_proba=None, known_classes=None,
            known_sources=None, known_content=None,
        ).take(free)  # fmt: skip
        taken.append(int(free[get("cluster_cover").select(candidates, 1, rng(step))[0]]))
    assert len(set(blob[taken])) >= 18
