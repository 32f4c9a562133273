"""The keys of predictions and of features, and what does not go with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tasks.campaign import Campaign, load_campaign, parse_campaign
from tasks.errors import CampaignError
from tasks.predictions.spec import PredictionSpec
from tasks.strategies import get

DOCS = Path(__file__).parents[3] / "docs"
MINIMAL = """\
name: spam
classes: [ham, spam]
pool: {uri: s3://pool/spam/, payload: [text]}
budget: {labels: 100}
batch: {size: 10}
vendors: [{name: acme, price: 0.1}]
"""


def parse(text: str) -> Campaign:
    return parse_campaign(MINIMAL + text, "spam.yaml", find_strategy=get)


def test_forms() -> None:
    assert parse("").prediction_spec is None
    plain = parse("predictions: {uri: s3://preds/p/}")
    assert plain.prediction_spec == PredictionSpec("s3://preds/p/", "id", ("ham", "spam"))
    assert plain.pool_spec.bare
    assert Campaign.from_json(plain.to_json()) == plain
    columns = parse(
        "predictions: {uri: s3://preds/p.csv, id: nr, columns: {spam: 1, ham: 0}}"
    ).prediction_spec
    assert columns is not None
    assert columns.names == ("nr", "0", "1")
    boxes = parse(
        "predictions: {uri: s3://preds/p/, proba: boxes, aggregate: sum, measure: entropy}"
    ).prediction_spec
    assert boxes is not None
    assert boxes.outputs == ("settled", "unsure")
    assert (
        parse("predictions: {uri: s3://preds/p/, aggregate: max}\ntask: multilabel").predictions is not None
    )


WRONG = [
    ("", "model: linear", "model: is for a model that labelrounds trains"),
    ("", "cold_start: {min_per_class: 1}", "cold_start: is for a model that"),
    ("", "labeling_functions: [{name: a, label: ham, text: x}]", "labeling_functions: are for a model"),
    ("", "task: multilabel", "predictions: of one row an item are of one class each"),
    ("", "strategy: badge", "strategy: The strategy 'badge' reads leaves"),
    (", columns: {ham: a}", "", "predictions.columns: must name a column for each class, ham, spam"),
    (", columns: {ham: a, spam: b}, proba: p", "", "predictions.proba: is a column of lists"),
    (", columns: {ham: a, spam: b}, aggregate: max", "", "predictions.aggregate: joins the rows of a list"),
    (", measure: entropy", "", "predictions.measure: is of several rows an item"),
    (", aggregate: all", "", "predictions.aggregate: must be 'max', 'mean' or 'sum'"),
    (", aggregate: max", "holdout: {uri: s3://held/h.csv}", "holdout: measures predictions of one row"),
    (", aggregate: max", "stop: {target: {value: 0.9}}", "stop.target: needs estimates"),
    (", aggregate: max", "stop: {plateau: {rounds: 2}}", "stop.plateau: needs estimates"),
    (", aggregate: max", "strategy: {quotas: {per_class: 0.5}}", "strategy.quotas.per_class: needs a predicted class"),
    (", aggregate: max", "strategy: class_balanced(margin)", "strategy: The strategy 'class_balanced' reads known_cl"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "extra", "mistake"), WRONG)
def test_what_does_not_go_together(more: str, extra: str, mistake: str) -> None:
    with pytest.raises(CampaignError) as caught:
        parse(f"predictions: {{uri: s3://preds/p/{more}}}\n{extra}\n")
    (found,) = caught.value.mistakes
    assert re.match(rf"line \d+: {re.escape(mistake)}", found), found


def test_predictions_do_not_lie_in_the_pool() -> None:
    with pytest.raises(CampaignError, match=r"lies under pool\.uri"):
        parse("predictions: {uri: s3://pool/spam/predictions/}")


def test_a_revision_needs_a_model() -> None:
    with pytest.raises(CampaignError, match="text_model_revision is the revision of a text_model"):
        parse("features: {text_model_revision: abc}")


def test_a_directory_of_a_model_is_found_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for model, wanted in (("model", str(tmp_path / "model")), ("hub/name", "hub/name")):
        (tmp_path / "c.yaml").write_text(f"{MINIMAL}features: {{text_model: {model}}}\n")
        assert load_campaign(tmp_path / "c.yaml").features.text_model == wanted


@pytest.mark.parametrize("page", ["images.md", "predictions.md"])
def test_campaigns_on_the_pages_are_whole(page: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        whole = block if "classes" in yaml.safe_load(block) else MINIMAL + block
        parse_campaign(whole, page, find_strategy=get)
