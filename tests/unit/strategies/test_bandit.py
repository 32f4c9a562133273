from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.strategies.bandit import Bandit, rewards
from tasks.strategies.base import stages, wants
from tasks.strategies.ranked import entropy, margin, random
from tasks.strategies.shares import Shares
from tasks.strategies.testing import check_strategy, make_candidates

TWO = Bandit(margin(), random())


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def knowing(sources: list[str], classes: list[int], n: int = 60):
    candidates = replace(make_candidates(n), known_features=None, known_proba=None, known_content=None)
    return replace(candidates, known_sources=np.array(sources, object), known_classes=np.array(classes))


def test_the_contract_holds():
    check_strategy(Bandit(margin(), entropy(), random()))


def test_the_arms_that_it_has_of_itself():
    found = Bandit()
    assert [arm.name for arm in found.arms] == ["margin", "galaxy", "kcenter", "random"]
    assert {"proba", "features", "known_classes", "known_sources", "known_proba"} <= wants(found)
    assert [stage.name for stage in stages(found)] == [arm.name for arm in found.arms]
    chosen = found.select_explained(make_candidates(80), 40, rng())
    assert set(chosen.parts) <= {arm.name for arm in found.arms}


def test_rare_classes_pay_and_a_majority_costs():
    assert rewards(np.array([6, 2, 0])) == pytest.approx([-1 / 6, 1 / 2, 1])
    assert rewards(np.array([5, 5])) == pytest.approx([1 / 5, 1 / 5])
    assert rewards(np.zeros(3, int)) == pytest.approx([1, 1, 1])


def test_the_arm_that_brings_rare_classes_gets_most_places():
    candidates = knowing(["margin"] * 40 + ["random"] * 40, [0] * 20 + [1] * 20 + [0] * 39 + [1])
    margins, randoms = TWO.places(candidates, 200, rng())
    assert margins + randoms == 200
    assert margins > 150
    swapped = replace(candidates, known_sources=candidates.known_sources[::-1].copy())
    swapped = replace(swapped, known_classes=candidates.known_classes)
    assert TWO.places(swapped, 200, rng())[1] > 150


def test_without_labels_of_its_own_all_arms_are_alike():
    known = [
        knowing([], []),
        knowing([""] * 9, [0, 1, 2] * 3),
        knowing(["margin"] * 9, [-1] * 9),
        replace(knowing(["margin"] * 9, [0] * 9), known_sources=None),
    ]
    for candidates in known:
        assert TWO.places(candidates, 1000, rng())[0] == pytest.approx(500, abs=65)  # four deviations


def test_answers_depend_on_the_known_items_not_on_their_order():
    candidates = knowing(["margin", "random", "", "random"] * 5, [0, 1, 2, 2] * 5)
    order = rng().permutation(20)
    turned = knowing(
        list(candidates.known_sources[order]),
        list(candidates.known_classes[order]),
    )
    assert list(TWO.select(candidates, 20, rng())) == list(TWO.select(turned, 20, rng()))


def test_random_draws_from_all_and_parts_are_arms():
    candidates = make_candidates(60)
    arm = Shares(margin(), entropy(), shares=(0.5, 0.5))
    chosen = Bandit(arm, random()).select_explained(candidates, 30, rng())
    assert set(chosen.parts) == {arm.name, "random"}
    drawn = chosen.parts == "random"
    assert list(chosen.positions[drawn]) == list(random().select(candidates, int(drawn.sum()), rng()))
    assert set(chosen.drawn[drawn]) == {drawn.sum() / 60}
    assert np.isnan(chosen.drawn[~drawn]).all()


@pytest.mark.parametrize("arms", [(margin(),), (margin(), margin())])
def test_arms_must_differ(arms):
    with pytest.raises(UsageError, match="two or more strategies of different names, not margin"):
        Bandit(*arms)
