"""Both kinds of question give the steps of a round what these ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.campaign import Campaign
from tasks.campaign.values import METRICS_OF_TASK
from tasks.features.view import fit_view
from tasks.models import Setting, read_model
from tasks.models.serving import _load_pyfunc
from tasks.strategies import Description, get
from tasks.targets import OneClass, SetOfClasses, Trained, targets_of

CLASSES = ("politics", "sport", "science")
KINDS: dict[str, Any] = {"classification": OneClass(CLASSES), "multilabel": SetOfClasses(CLASSES)}
D = 4


def campaign(**keys: object) -> Campaign:
    return Campaign.model_validate(
        {
            "name": "news",
            "classes": CLASSES,
            "pool": {"uri": "s3://pool/news/", "payload": ["text"]},
            "budget": {"labels": 10},
            "batch": {"size": 2},
            "vendors": [{"name": "acme", "price": "0.1"}],
            **keys,
        }
    )


def items(n: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Items of numbers; the first three tell each whether a class is there."""
    X = np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)
    return X, (X[:, :3] > (0.0, 0.5, 1.0)).astype(np.int8)


def labels_of(task: str, Y: np.ndarray) -> list[str]:
    if task == "multilabel":
        return [
            f"[{','.join(f'{chr(34)}{name}{chr(34)}' for name, here in zip(CLASSES, row, strict=True) if here)}]"
            for row in Y
        ]
    return [CLASSES[int(row.argmax())] for row in Y]


def setting(X: np.ndarray, **params: object) -> Setting:
    types = ("q",) * D
    names = tuple(f"f{place}" for place in range(D))
    given = {"num_boost_round": 20, "nthread": 1} | params
    return Setting(len(CLASSES), names, types, fit_view(X, types), "cpu", 3, given)


@dataclass(frozen=True)
class Case:
    """A trained model and all that it came from."""

    targets: Any
    X: np.ndarray
    codes: np.ndarray
    examples: Any
    done: Trained


def trained(task: str, kind: str = "linear") -> Case:
    targets = KINDS[task]
    X, Y = items()
    codes = targets.codes(labels_of(task, Y))
    examples = targets.examples(X, codes, np.ones(len(X)))
    return Case(targets, X, codes, examples, targets.fit(kind, examples, setting(X)))


def test_the_task_of_the_file_decides():
    assert targets_of(campaign()) == OneClass(CLASSES)
    assert targets_of(campaign(task="multilabel")) == SetOfClasses(CLASSES, "mean")
    chosen = campaign(task="multilabel", strategy={"name": "margin", "aggregate": "max"})
    assert targets_of(chosen) == SetOfClasses(CLASSES, "max")


@pytest.mark.parametrize("task", KINDS)
def test_measures_that_a_file_may_name_are_measured(task):
    targets = KINDS[task]
    assert targets.task == task
    assert set(METRICS_OF_TASK[task]) <= set(targets.metrics)
    assert METRICS_OF_TASK[task][0] == targets.metrics[0]


@given(st.lists(st.sets(st.sampled_from(CLASSES)), max_size=30))
def test_counts_of_sets(sets):
    targets = KINDS["multilabel"]
    codes = targets.codes([str(sorted(one)).replace("'", '"') for one in sets])
    assert codes.shape == (len(sets), 3)
    counts = [sum(name in one for one in sets) for name in CLASSES]
    assert targets.counts(codes) == counts
    assert targets.evidence(codes) == [min(n, len(sets) - n) for n in counts]
    assert [(name, y.tolist()) for name, y in targets.questions(codes)] == [
        (name, [int(name in one) for one in sets]) for name in CLASSES
    ]


@given(st.lists(st.sampled_from(CLASSES), max_size=30))
def test_counts_of_classes(labels):
    targets = KINDS["classification"]
    codes = targets.codes(labels)
    assert targets.counts(codes) == targets.evidence(codes) == [labels.count(name) for name in CLASSES]
    assert targets.known(codes).tolist() == codes.tolist()
    ((about, y),) = targets.questions(codes)
    assert (about, y.tolist()) == ("", codes.tolist())


def test_several_answers():
    item, source = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    silent = np.full((2, len(CLASSES)), np.nan, np.float32)
    votes = {
        "classification": (["sport", "sport", "politics", "science"], ["sport", "science"]),
        "multilabel": (
            ['["politics","sport"]', '["sport"]', '["sport","science"]', "[]"],
            ['["sport"]', "[]"],
        ),
    }
    for task, (answers, labels) in votes.items():
        found = KINDS[task].believe(
            item, source, answers, method="majority", witness=silent, known=[None, None]
        )
        assert (found.labels, found.confidence.tolist()) == (labels, [pytest.approx(2 / 3), 1.0])
        assert (found.method, found.accuracy.shape) == ("majority", (3,))


def test_a_model_and_gold_are_witnesses():
    """Two who disagree: the model tips the scales; who is right on gold is believed."""
    targets = KINDS["classification"]
    item, source = np.array([0, 0]), np.array([0, 1])
    witness = np.array([[0.9, 0.05, 0.05]], np.float32)
    for label, other in ((CLASSES[0], CLASSES[1]), (CLASSES[1], CLASSES[0])):
        found = targets.believe(item, source, [label, other], method="auto", witness=witness, known=[None])
        assert found.labels == [CLASSES[0]]
    # Against a model that was right a hundred times and is sure, one answer is outvoted; the label is hardly learnt.
    many = 101
    witness = np.tile(np.array([[0.9, 0.05, 0.05]], np.float32), (many, 1))
    witness[-1] = (0.9998, 0.0001, 0.0001)
    answers = [CLASSES[0]] * (many - 1) + [CLASSES[1]]
    found = targets.believe(
        np.arange(many),
        np.zeros(many, np.int64),
        answers,
        method="auto",
        witness=witness,
        known=[None] * many,
    )
    assert found.labels[-1] == CLASSES[0]
    assert found.weight[-1] < 0.6 < found.confidence[-1]
    assert found.weight[0] > 0.9
    gold = 40
    item = np.concatenate([np.repeat(np.arange(gold), 2), [gold, gold]])
    source = np.tile([0, 1], gold + 1)
    answers = [CLASSES[0], CLASSES[1]] * (gold + 1)
    silent = np.full((gold + 1, len(CLASSES)), np.nan, np.float32)
    found = targets.believe(
        item, source, answers, method="auto", witness=silent, known=[CLASSES[1]] * gold + [None]
    )
    assert found.labels[-1] == CLASSES[1]
    assert found.accuracy[1] > 0.9 > 0.5 > found.accuracy[0]


def test_labels_as_json_holds_them():
    assert KINDS["classification"].shown("sport") == "sport"
    assert KINDS["multilabel"].shown('["politics","sport"]') == ["politics", "sport"]


@pytest.mark.parametrize("task", KINDS)
def test_from_labels_to_a_measured_model(task):
    case = trained(task)
    targets, X, done = case.targets, case.X, case.done
    assert case.examples.items == len(X)
    assert done.unseen is not None
    assert done.unseen.shape == (len(X), 3)
    again = read_model(done.model.to_bytes())
    new, Y = items(300, seed=1)
    proba = again.predict(new)
    assert np.array_equal(proba, done.model.predict(new))
    truth = targets.codes(labels_of(task, Y))
    measured = targets.measure(proba, truth)
    assert tuple(measured.estimates) == targets.metrics
    assert measured.estimates[targets.metrics[0]].value > 0.8
    figures = targets.figures("audit", measured.pictures)
    assert all(name.endswith("_audit") for name in figures)
    assert len(figures) == 2
    worse = proba[:, ::-1]
    assert targets.compare(truth, proba, worse).low > 0
    assert targets.compare(truth, worse, proba).high < 0


@pytest.mark.parametrize("task", KINDS)
def test_items_are_weighed_and_models_compared(task):
    targets, (X, Y) = KINDS[task], items(200, seed=3)
    truth = targets.codes(labels_of(task, Y))
    proba = 1 / (1 + np.exp(-3 * (X[:, :3] - [0.0, 0.5, 1.0])))
    proba = (proba / proba.sum(axis=1, keepdims=True) if task == "classification" else proba).astype(
        np.float32
    )
    twice = np.where(np.arange(200) < 50, 2.0, 1.0)
    plain, weighed = (targets.measure(proba, truth, weight=weight) for weight in (None, twice))
    surer = targets.measure(proba, truth, level=0.999)
    rows = np.concatenate([np.arange(200), np.arange(50)])
    doubled = targets.measure(proba[rows], truth[rows])
    for name in targets.metrics:
        one = plain.estimates[name]
        assert surer.estimates[name].low <= one.low <= one.high <= surer.estimates[name].high
        if name != "ece":  # Of which what is chance depends on the number of items.
            assert weighed.estimates[name].value == pytest.approx(doubled.estimates[name].value)
    for side in ("precision", "recall"):
        assert [len(one.by_class[side]) for one in (plain, weighed)] == [3, 3]
        for one, wide in zip(plain.by_class[side], surer.by_class[side], strict=True):
            assert wide.low < one.low < one.value <= one.high <= wide.high
    worse = proba.copy()
    worse[:40] = worse[:40, ::-1]
    found = targets.compare(truth, proba, worse, weight=twice, level=0.9)
    assert found.n == 200
    assert found.won > found.lost
    assert 0 < found.low < found.difference < found.high
    assert found.p < 0.01 < 0.9 < targets.compare(truth, worse, proba).p


@pytest.mark.parametrize("task", KINDS)
def test_a_wrong_label_is_doubted_and_put_right(task):
    case = trained(task)
    targets, X, done = case.targets, case.X, case.done
    labels = labels_of(task, items()[1])
    wrong = {"classification": "politics", "multilabel": '["politics"]'}[task]
    # An item of the second class alone, far from all borders.
    row = int(np.argmax(np.minimum(X[:, 1] - 0.5, np.minimum(-X[:, 0], 1 - X[:, 2]))))
    right, labels[row] = labels[row], wrong
    assert right in ("sport", '["sport"]')
    found = {one.row: one for one in targets.doubts(targets.codes(labels), done.unseen) if one.row == row}
    assert row in found
    assert found[row].suggested_probability > found[row].label_probability
    if task == "classification":
        assert found[row].suggested == right
    else:
        assert found[row].suggested in ('["politics","sport"]', "[]")
        assert "not sport" in found[row].why or "not politics" in found[row].why


@pytest.mark.parametrize("task", KINDS)
def test_the_audit_corrects_shares_that_it_contradicts(task):
    case = trained(task)
    targets, X, examples, done = case.targets, case.X, case.examples, case.done
    pool, Y = items(4000, seed=2)
    # A pool in which the last class is rare, in spite of what the features say.
    rare = (Y[:, 2] == 0) | (np.arange(4000) % 10 == 0)
    labels = np.array(labels_of(task, np.column_stack([Y[:, :2], Y[:, 2] * rare])))
    better, figures = targets.corrected(
        done.model, examples, setting(X), pool, targets.codes(labels.tolist())
    )
    assert figures["corrects"]
    last = targets.counts(targets.codes(labels.tolist()))[2]
    assert abs(better.predict(pool)[:, 2].sum() - last) < abs(done.model.predict(pool)[:, 2].sum() - last)
    same, figures = targets.corrected(done.model, examples, setting(X), X, case.codes)
    assert not figures["corrects"]
    assert same is done.model


@pytest.mark.parametrize("task", KINDS)
def test_strategies_see_probabilities_that_sum_to_one(task):
    case = trained(task)
    X, model = case.X, case.done.model
    description = case.targets.describe(get("margin"), None, model, lambda: case.examples, setting(X))
    assert isinstance(description, Description)
    ids = np.array([f"i{n}" for n in range(len(X))], object)
    candidates = description.candidates(ids, X, frozenset({"proba"}))
    assert candidates.proba.sum(axis=1) == pytest.approx(1, abs=1e-5)
    chosen = get("margin").select(candidates, 20, np.random.default_rng(0))
    unsure = np.abs(model.predict(X) - 0.5).mean(axis=1)
    if task == "multilabel":
        assert unsure[chosen].max() <= np.sort(unsure)[20]


def test_figures_of_sets_are_those_of_one_model():
    """So that the record of a round shows them as it shows any."""
    one, many = (trained(task, "xgboost").done.figures for task in KINDS)
    assert set(one) <= set(many)
    assert set(one["candidates"]["xgboost"]) == set(many["candidates"]["xgboost"])
    of_classes = [many["labels"][name]["candidates"]["xgboost"] for name in CLASSES]
    assert many["candidates"]["xgboost"]["log_loss"] == pytest.approx(
        np.mean([c["log_loss"] for c in of_classes])
    )
    assert many["candidates"]["xgboost"]["rows_per_second"] < min(c["rows_per_second"] for c in of_classes)
    assert many["kinds"] == {"xgboost": 3}
    assert set(many["calibration"]["before"]) == {"log_loss", "ece"}


@pytest.mark.parametrize("task", KINDS)
def test_a_stored_model_is_served(task, tmp_path):
    case = trained(task)
    path = tmp_path / "model.npz"
    path.write_bytes(case.done.model.to_bytes())
    served = _load_pyfunc(str(path))
    assert served.model.kind == case.done.figures["kind"]
    assert np.array_equal(served.predict(case.X.astype(np.float64)), case.done.model.predict(case.X))


def test_a_class_that_nobody_has_is_no_error():
    targets = KINDS["multilabel"]
    X, Y = items()
    Y[:, 2] = 0
    codes = targets.codes(labels_of("multilabel", Y))
    examples = targets.examples(X, codes, np.ones(len(X)))
    done = targets.fit("linear", examples, setting(X))
    assert done.figures["kinds"] == {"constant": 1, "linear": 2}
    assert np.isnan(done.unseen[:, 2]).all()
    assert all(CLASSES[2] not in one.suggested for one in targets.doubts(codes, done.unseen))
    _, figures = targets.corrected(done.model, examples, setting(X), X, codes)
    assert set(figures["share"]) == set(CLASSES[:2])


def test_the_digest_tells_examples_apart():
    targets = KINDS["multilabel"]
    X, Y = items()
    codes = targets.codes(labels_of("multilabel", Y))
    sure = np.ones(len(X))
    first = targets.examples(X, codes, sure).digest()
    other = codes.copy()
    other[3, 1] ^= 1
    assert first == targets.examples(X.copy(), codes.copy(), sure.copy()).digest()
    assert first != targets.examples(X, other, sure).digest()
    assert first != targets.examples(X, codes, sure * 0.9).digest()
