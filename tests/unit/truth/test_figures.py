"""The figures of docs/truth.md: ``pytest -m slow -s -n 0 tests/unit/truth/test_figures.py``."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tasks.truth import Answers, GoldTest, believe, needs_more
from tests.unit.truth.crowd import crowd

METHODS = ("majority", "dawid_skene", "one_coin", "crowdlab", "auto")
CROWDS = {
    "alike": lambda rng: np.full(8, 0.8),
    "mixed": lambda rng: rng.uniform(0.6, 0.95, 8),
    "good": lambda rng: rng.uniform(0.9, 0.98, 8),
    "spam": lambda rng: np.r_[np.full(2, 0.5), rng.uniform(0.75, 0.95, 6)],
    "poor": lambda rng: rng.uniform(0.35, 0.95, 8),
}


def sets_of_data():
    from sklearn.datasets import load_breast_cancer, load_digits, make_classification
    from sklearn.preprocessing import StandardScaler

    digits, cancer = load_digits(return_X_y=True), load_breast_cancer(return_X_y=True)
    yield "digits", digits[0] / 16, digits[1]
    yield "breast cancer", StandardScaler().fit_transform(cancer[0]), cancer[1]
    yield "hard", *make_classification(2000, 20, n_informative=6, n_classes=3, class_sep=0.8, random_state=0)
    yield "rare", *make_classification(2000, 20, n_informative=6, weights=[0.95], random_state=0)


def out_of_fold(X, label, n_classes, seed):
    """A linear model's probabilities of items that it did not see."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    found = np.full((len(X), n_classes), 1e-3)
    for learnt, unseen in KFold(5, shuffle=True, random_state=seed).split(X):
        model = LogisticRegression(C=0.3, max_iter=500).fit(X[learnt], label[learnt])
        found[np.ix_(unseen, model.classes_)] += model.predict_proba(X[unseen])
    return found


def calibration_error(belief, truth):
    sure, right = belief.confidence, belief.labels == truth
    bins = np.minimum((sure * 10).astype(int), 9)
    return sum(abs(sure[bins == b].sum() - right[bins == b].sum()) for b in np.unique(bins)) / len(truth)


@pytest.mark.slow
def test_what_each_method_makes_of_few_answers():
    """200 items of real and made-up data, 8 sources of 5 kinds of crowd, 4 repeats."""
    found = {}
    for name, X, y in sets_of_data():
        n_classes = int(y.max()) + 1
        for kind, accuracy_of in CROWDS.items():
            for each in (1, "1-2", 2, 3, 5):
                for seed in range(4):
                    rng = np.random.default_rng(seed)
                    rows = rng.choice(len(y), 200, replace=False)
                    accuracy = accuracy_of(rng)
                    per_item = 1 + (rng.random(200) < 0.25) if each == "1-2" else each
                    answers, truth = crowd(200, n_classes, accuracy, per_item, seed, y[rows])
                    vote = believe(answers, "majority").labels
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        model = out_of_fold(X[rows], vote, n_classes, seed)
                    told = [(method, believe(answers, method, model)) for method in METHODS]
                    told.append(("auto, no model", believe(answers)))
                    for method, one in told:
                        figures = ((one.labels == truth).mean(), calibration_error(one, truth))
                        for key in ((each, method), (each, method, kind), (each, method, name)):
                            found.setdefault(key, []).append(figures)
    mean = {key: np.mean(values, axis=0) for key, values in found.items()}
    methods = (*METHODS[:3], "auto, no model", *METHODS[3:])
    print("\nanswers", *methods, sep=" | ")
    for each in (1, "1-2", 2, 3, 5):
        cells = (f"{mean[each, m][0]:.3f} ({mean[each, m][1]:.3f})" for m in methods)
        print(each, *cells, sep=" | ")
    for group in (*CROWDS, "digits", "breast cancer", "hard", "rare"):
        print(group, *(f"{mean[1, m, group][0]:.3f}" for m in methods), sep=" | ")
    for each in (1, "1-2", 2, 3, 5):
        best = mean[each, "auto"]
        assert best[0] >= max(mean[each, method][0] for method in METHODS)
        assert best[1] <= min(mean[each, method][1] for method in METHODS) + 0.005
        assert mean[each, "auto, no model"][0] >= mean[each, "majority"][0] - 0.005
    assert mean["1-2", "dawid_skene"][0] < mean["1-2", "majority"][0]


@pytest.mark.slow
def test_what_dynamic_overlap_saves():
    """1,500 items, 4 repeats: five answers each against up to seven while unsure."""
    print("\nclasses | crowd | fixed 5 | dynamic | answers | saved")
    for n_classes, confidence in ((2, 0.93), (4, 0.97), (10, 0.97)):
        for kind in ("alike", "mixed", "spam"):
            rows = []
            for seed in range(4):
                accuracy = CROWDS[kind](np.random.default_rng(seed))
                full, truth = crowd(1500, n_classes, accuracy, 7, seed)
                place = np.arange(len(full)) - np.searchsorted(full.item, full.item)
                asked = np.ones(1500, int)
                while True:
                    come = place < asked[full.item]
                    belief = believe(
                        Answers(full.item[come], full.source[come], full.label[come], 1500, 8, n_classes)
                    )
                    more = needs_more(belief, asked, confidence, 7)
                    if not more.any():
                        break
                    asked = asked + more
                five = place < 5
                fixed = believe(
                    Answers(full.item[five], full.source[five], full.label[five], 1500, 8, n_classes)
                )
                right = [(one.labels == truth).mean() for one in (fixed, belief)]
                rows.append([*right, asked.mean()])
            fixed_right, right, n = np.mean(rows, axis=0)
            print(
                n_classes,
                kind,
                f"{fixed_right:.3f}",
                f"{right:.3f}",
                f"{n:.2f}",
                f"{1 - n / 5:.0%}",
                sep=" | ",
            )
            assert right >= fixed_right - 0.01


@pytest.mark.slow
def test_how_soon_a_vendor_is_suspended():
    test = GoldTest()
    print("\naccuracy | by 20 | by 60 | by 200 | by 1,000")
    for accuracy in (0.05, 0.2, 1 / 3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95):
        chance = test.chance(accuracy, 1000)
        print(f"{accuracy:.2f}", *(f"{chance[n - 1]:.4f}" for n in (20, 60, 200, 1000)), sep=" | ")
    assert test.chance(0.5, 60)[-1] > 0.999
