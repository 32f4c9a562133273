from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.campaign.weak import LabelingFunction
from tasks.errors import UsageError
from tasks.pool.sampling import IdSet
from tasks.weak import (
    Runner,
    VoteCounts,
    fit_label_model,
    scan,
    trust_in,
    weak_examples,
    weak_report,
    weak_rows,
    weak_weight,
)
from tasks.weak.scan import Scan

ROOT = Path(__file__).parents[3]
CLASSES = ("ham", "spam")
MAILS = pa.table(
    {
        "id": [f"m{number:04d}" for number in range(1_000)],
        "text": [
            "free" if n % 10 == 0 else "wrote: free" if n % 10 == 1 else "wrote:" if n % 10 < 8 else ""
            for n in range(1_000)
        ],
    }
)
RULES = (
    LabelingFunction(name="free", text="free", label="spam"),
    LabelingFunction(name="quoted", text="wrote:", label="ham"),
    LabelingFunction(name="never", text="nothing", label="ham"),
    LabelingFunction(name="gone", column="gone", missing=True, label="ham"),
)


def scanned(**options) -> Scan:
    with Runner(RULES, CLASSES, text=("text",)) as runner:
        return scan([MAILS], runner, id="id", n_classes=2, seed=1, **options)


@st.composite
def probabilities(draw):
    n, c = draw(st.integers(0, 12)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    proba = rng.dirichlet(np.full(c, 0.5), n)
    proba[rng.random(n) < 0.2] = np.nan
    return proba


@given(probabilities(), st.floats(0.01, 1e4), st.floats(0, 0.99))
def test_rows_weigh_what_they_should_and_stand_for_the_probabilities(proba, total, least):
    rows = weak_rows(proba, total=total, least=least)
    voted = np.flatnonzero(~np.isnan(proba[:, 0]))
    assert set(rows.position) == set(voted.tolist())
    if len(voted):
        assert rows.weight.sum() == pytest.approx(total)
        np.testing.assert_allclose(np.bincount(rows.position, rows.weight)[voted], total / len(voted))
    assert len(rows.y) == len(rows.weight) == len(rows.position)
    assert (rows.weight > 0).all()
    assert (proba[rows.position, rows.y] >= min(least, 1 / proba.shape[1])).all()


@given(probabilities())
def test_a_prior_sets_the_shares_of_the_classes(proba):
    c = proba.shape[1]
    prior = np.arange(1.0, c + 1) / np.arange(1.0, c + 1).sum()
    rows = weak_rows(proba, total=7.0, prior=prior, least=0.0)
    shares = np.bincount(rows.y, rows.weight, minlength=c) / 7.0
    plain = np.nansum(proba, axis=0)
    if len(rows.y) and (plain > plain.sum() / 9).all():  # no class needs more than the tenfold
        np.testing.assert_allclose(shares, prior, atol=1e-9)


def test_weights_fade():
    weights = [weak_weight(n) for n in (0, 50, 100, 500, 1_000)]
    assert weights == sorted(weights, reverse=True)
    assert weights[1] == weights[0] / 2
    assert weak_weight(10, trust=0.0) == 0
    for wrong in ({"n_labels": -1}, {"n_labels": 1, "trust": 2.0}, {"n_labels": 1, "fade": 0.0}):
        with pytest.raises(UsageError):
            weak_weight(**wrong)


def test_no_weight_no_rows():
    rows = weak_rows(np.array([[0.9, 0.1]]), total=0.0)
    assert len(rows.y) == len(rows.weight) == len(rows.position) == 0


def test_trust_follows_what_labels_say():
    proba = np.array([[0.9, 0.1]] * 40 + [[np.nan, np.nan]] * 5)
    assert trust_in(proba, np.zeros(45, np.int64)) == 1
    assert trust_in(proba[:0], np.zeros(0, np.int64)) == 1
    assert trust_in(proba, np.arange(45) % 2) == 0
    assert 0.5 < trust_in(proba, (np.arange(45) % 10 == 0).astype(np.int64)) < 0.9
    assert trust_in(proba, np.ones(45, np.int64)) == 0


def test_the_sample_is_bounded_balanced_and_without_what_is_excluded():
    everything = scanned(sample=2_000)
    assert len(everything.ids) == 800
    some = scanned(sample=100)
    assert len(some.ids) == 100
    assert set(some.ids) <= set(everything.ids)
    most = np.where((some.votes == 1).any(axis=1) & ~(some.votes == 0).any(axis=1), 1, 0)
    assert np.bincount(most).tolist() == [50, 50]
    rest = scanned(sample=100, exclude=IdSet(some.ids))
    assert not set(rest.ids) & set(some.ids)
    assert rest.counts.rows == 1_000
    assert scanned(sample=0).ids == ()
    with pytest.raises(UsageError):
        scanned(sample=-1)


def test_weak_examples_have_the_shares_of_the_pool_not_of_the_sample():
    result = scanned(sample=100)
    model = fit_label_model(result.counts, 2)
    rows = weak_examples(result, model, n_labels=50)
    assert rows.weight.sum() == pytest.approx(weak_weight(50))
    shares = np.bincount(rows.y, rows.weight) / rows.weight.sum()
    np.testing.assert_allclose(shares, model.shares(result.counts))
    assert shares[0] > model.predict(result.votes)[:, 0].mean() + 0.1
    even = weak_examples(result, model, n_labels=0, prior=np.array([0.5, 0.5]))
    np.testing.assert_allclose(np.bincount(even.y, even.weight) / even.weight.sum(), 0.5)


def test_the_report_counts_as_one_would_by_hand():
    result = scanned()
    model = fit_label_model(result.counts, 2)
    votes = np.array([[1, -1, -1, -1], [1, 0, -1, -1], [-1, 0, -1, 0]], np.int16)
    report = weak_report(
        result,
        model,
        CLASSES,
        anchor_votes=votes,
        anchor_labels=np.array([1, 0, 0]),
        examples=800,
        weight=100.0,
    )
    free, quoted, silent, gone = report.functions
    assert (free.coverage, free.overlap, free.conflict) == pytest.approx((0.2, 0.1, 0.1))
    assert (quoted.coverage, quoted.overlap, quoted.conflict) == pytest.approx((0.7, 0.1, 0.1))
    assert (report.coverage, report.overlap, report.conflict) == pytest.approx((0.8, 0.1, 0.1))
    assert (free.right, free.labelled, quoted.right, quoted.labelled) == (1, 2, 2, 2)
    assert free.classes == ("spam",)
    assert (silent.classes, silent.accuracy) == ((), None)
    assert quoted.low < quoted.accuracy < quoted.high
    assert free.accuracy < model.accuracy[0] < 1  # one of two was wrong
    assert (gone.disabled, gone.labelled) == (True, 0)
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
    assert report.metrics()["weak/free/coverage"] == pytest.approx(0.2)
    assert report.metrics()["weak_functions_disabled"] == 1
    page = report.to_markdown()
    assert "| never | - | 0.0 % |" in page
    assert "- gone: there is no column gone" in page


def test_a_report_of_nothing():
    with Runner((), CLASSES) as runner:
        result = scan([MAILS], runner, id="id", n_classes=2, seed=0)
    model = fit_label_model(result.counts, 2)
    assert len(weak_examples(result, model, n_labels=0).y) == 0
    assert weak_report(result, model, CLASSES).coverage == 0
    assert VoteCounts.of(np.empty((0, 3), np.int16)).rows == 0


def test_the_example_campaign_has_rules_that_work():
    campaign = yaml.safe_load((ROOT / "infra" / "campaigns" / "emails-rules.yaml").read_text())
    functions = [LabelingFunction.model_validate(entry) for entry in campaign["labeling_functions"]]
    mail = pa.table(
        {
            "id": ["a", "b", "c"],
            "subject": ["Re: lunch", "You won $$$!", "(no subject)"],
            "text": ["Sam wrote:\n> Thursday?", "Click here, act now", None],
        }
    )
    with Runner(functions, campaign["classes"], text=("subject", "text")) as runner:
        votes = runner.votes(mail, ["a", "b", "c"])
        assert not runner.failures
    assert votes[0].tolist() == [0, -1, -1, -1, -1, -1]
    assert votes[1].tolist() == [-1, -1, -1, -1, 1, 1]
    assert (votes[2] == -1).all()
