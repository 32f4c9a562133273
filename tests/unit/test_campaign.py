import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tasks.campaign import Batch, Campaign, load_campaign, parse_campaign
from tasks.campaign.cron import check_cron
from tasks.errors import CampaignError, NotFound
from tasks.strategies import get, names

ROOT = Path(__file__).parents[2]
MINIMAL = """\
name: spam
classes: [ham, spam]
pool:
  uri: s3://pool/spam/
  payload: [text]
budget: {labels: 900}
batch: {size: 100}
vendors:
  - {name: acme, price: 0.10}
"""


def mistakes(text: str, **kwargs: Any) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        parse_campaign(text, "spam.yaml", **kwargs)
    assert str(caught.value).splitlines() == [f"spam.yaml: {line}" for line in caught.value.mistakes]
    return caught.value.mistakes


def only_mistake(old: str, new: str) -> str:
    assert old in MINIMAL
    (mistake,) = mistakes(MINIMAL.replace(old, new))
    return mistake


def test_defaults_of_a_minimal_campaign():
    campaign = parse_campaign(MINIMAL, "spam.yaml")
    assert campaign.strategy.title == "auto"
    assert campaign.strategy.shortlist_size is None
    assert campaign.pool_spec.auto
    assert campaign.pool_spec.named == ("id", "text")
    assert campaign.batch.audit_size == 10
    assert campaign.budget.money_micro is None


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("power_margin", "power_margin"),
        ("{name: margin_kmeans, params: {beta: 5}}", "margin_kmeans(beta=5)"),
        ("{name: 'margin_kmeans(beta=5)', shortlist: 2000}", "margin_kmeans(beta=5)"),
        ("60 % margin, 30 % kcenter, 10 % random", "60% margin + 30% kcenter + 10% random"),
        ("{shares: {margin: 0.6, kcenter: 0.4}}", "60% margin + 40% kcenter"),
        ("{shortlist: margin, then: kcenter}", "margin > kcenter"),
        (
            "{name: expected_cost, params: {costs: [[0, 1], [5.5, 0]]}}",
            "expected_cost(costs=[[0, 1], [5.5, 0]])",
        ),
        ("{name: class_balanced(entropy), explore: 0.1}", "class_balanced(entropy)"),
    ],
)
def test_every_way_to_write_a_strategy(written, title):
    campaign = parse_campaign(f"{MINIMAL}strategy: {written}\n", "spam.yaml", find_strategy=get)
    assert campaign.strategy.title == title
    assert Campaign.from_json(campaign.to_json()) == campaign


def test_a_cost_matrix_fits_the_classes():
    written = (
        f"{MINIMAL}strategy: {{name: expected_cost, params: {{costs: [[0, 1, 2], [1, 0, 1], [1, 1, 0]]}}}}\n"
    )
    assert mistakes(written, find_strategy=get) == [
        f"line {len(MINIMAL.splitlines()) + 1}: strategy: The strategy 'expected_cost' is made for 3 classes, "
        "and there are 2."
    ]


def test_money_is_exact():
    text = MINIMAL.replace("0.10", "0.07").replace("labels: 900", "labels: 900, money: 1234567.000001")
    campaign = parse_campaign(text, "spam.yaml")
    assert campaign.terms_of(campaign.vendors[0]).price_micro == 70_000
    assert campaign.budget.money_micro == 1_234_567_000_001
    assert campaign.budget.money == Decimal("1234567.000001")


@given(st.integers(0, 10**12))
def test_every_amount_of_micro_units_survives(micros: int):
    text = MINIMAL.replace("0.10", f"{micros // 10**6}.{micros % 10**6:06}")
    campaign = parse_campaign(text, "spam.yaml")
    assert campaign.terms_of(campaign.vendors[0]).price_micro == micros
    assert Campaign.from_json(campaign.to_json()) == campaign


def test_json_round_trip_and_digest():
    campaign = parse_campaign(documented_example(), "docs")
    again = Campaign.from_json(campaign.to_json())
    assert again == campaign
    assert again.digest == campaign.digest
    assert parse_campaign(MINIMAL, "a").digest == parse_campaign(f"# comment\n{MINIMAL}", "b").digest
    assert parse_campaign(MINIMAL + "seed: 1\n", "a").digest != parse_campaign(MINIMAL, "a").digest


def test_every_mistake_is_named_with_its_line():
    text = """\
name: Spam
classes: [ham, ham]
pool:
  uri: s3://pool/spam/
  id: id
  payload: []
budget:
  labels: 0
batch: {size: 100, audit_shore: 0.1}
vendors:
  - {name: acme, price: 0.10}
overlap: 2
holdout: {uri: s3://pool/spam/test.csv}
strategy: margn
"""
    assert mistakes(text, find_strategy=get) == [
        "line 1: name: must be 1 to 63 lowercase letters, digits and dashes, and not begin with a dash",
        "line 2: classes[1]: class ham is given twice",
        "line 6: pool.payload: must have 1 or more entries, not 0",
        "line 8: budget.labels: must be at least 1, not 0",
        "line 9: batch.audit_shore: unknown key; did you mean audit_share?",
        "line 12: overlap: must be at most the number of vendors, 1, not 2",
        "line 13: holdout.uri: lies under pool.uri, so its rows would be sent to vendors; move it elsewhere",
        f"line 14: strategy: There is no strategy 'margn'. Did you mean margin? There are: {', '.join(names())}.",
    ]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("size: 100", "size: 1.5", "line 7: batch.size: must be a whole number, not 1.5"),
        ("size: 100", "size: true", "line 7: batch.size: must be a whole number, not true"),
        ("size: 100", 'size: "100"', "line 7: batch.size: must be a whole number, not 100"),
        ("size: 100", "size:", "line 7: batch.size: must be a whole number, not empty"),
        (" {size: 100}", "", "line 7: batch: must be keys and values, not empty"),
        ("batch: {size: 100}\n", "", "line 1: batch: is missing"),
        (", price: 0.10", "", "line 9: vendors[0].price: is missing"),
        ("0.10", "yes", "line 9: vendors[0].price: must be a number"),
        ("0.10", ".nan", "line 9: vendors[0].price: must be an amount such as 0.10, not .nan"),
        (
            "0.10",
            "0.1234567",
            "line 9: vendors[0].price: must have at most 6 decimal places, not 0.1234567",
        ),
        ("s3://pool/spam/", "/data", "line 4: pool.uri: must be an S3 address such as s3://bucket/folder/"),
        (
            "[ham, spam]",
            "[yes, 'no']",
            "line 2: classes[0]: yes is a boolean in YAML; put it in quotes: 'yes'",
        ),
        ("[ham, spam]", "[a, ~]", "line 2: classes[1]: is empty; put the text in quotes: '~'"),
        ("[ham, spam]", "ham", "line 2: classes: must be a list, such as [a, b], not ham"),
        ("name: spam", "name: spam\nname: ham", "line 2: name: is given twice, first in line 1"),
    ],
)
def test_one_mistake(old: str, new: str, mistake: str):
    assert only_mistake(old, new) == mistake


@pytest.mark.parametrize(
    ("extra", "mistake"),
    [
        ("model: {params: {objective: x}}", "model.params: objective cannot be set, it follows from classes"),
        (
            "model: {params: {depth: {a: 1}}}",
            "model.params: depth must be a number, a text or a list of them",
        ),
        ("stop: {target: {value: 0}}", "stop.target.value: must be greater than 0, not 0"),
        ("overlap: 16", "overlap: must be at most 15, not 16"),
        (
            "strategy: {name: margin, shortlist: 9}",
            "strategy.shortlist: must be at least batch.size, 100, not 9",
        ),
        (
            "strategy: {shortlist: 0}",
            "strategy.shortlist: must be a whole number of at least 1, or the strategy that makes the shortlist",
        ),
        (
            "strategy: {shortlist: margin}",
            "strategy: shortlist, a strategy, and then, the one that chooses from it, belong together",
        ),
        (
            "strategy: {name: margin, shares: {margin: 1}}",
            "strategy: name, shortlist and then, and shares are three ways to say it; use one",
        ),
        (
            "strategy: {shares: {margin: 0.5, kcenter: 0.4}}",
            "strategy: The shares add up to 90 %, not 100 %.",
        ),
        (
            "strategy: margin >",
            "strategy: The strategy 'margin >' cannot be read: the name of a strategy is wanted at its end.",
        ),
        (
            "strategy: {duplicates: 2}",
            "strategy.duplicates: must be auto, exact, keep, or the cosine from which on items are copies, "
            "such as 0.98",
        ),
        (
            "strategy: {quotas: {group: sender}}",
            "strategy.quotas: group, a column, and per_group, how many of each, belong together",
        ),
        ("schedule: {cron: '61 * * * *'}", "schedule.cron: minute: '61' is not within 0 to 59"),
        (
            "schedule: {cron: '@daily', timezone: X/Y}",
            "schedule.timezone: 'X/Y' is no time zone, such as UTC",
        ),
        ("seed_labels: {uri: s3://pool/spam}", "seed_labels.uri: lies under pool.uri"),
    ],
)
def test_one_mistake_in_an_optional_key(extra: str, mistake: str):
    assert any(line.startswith(f"line 10: {mistake}") for line in mistakes(f"{MINIMAL}{extra}\n"))


SETS = f"{MINIMAL}task: multilabel\n"


@pytest.mark.parametrize(
    ("extra", "mistake"),
    [
        ("strategy: {quotas: {per_class: 0.5}}", "strategy.quotas.per_class: is of classification"),
        ("stop: {target: {metric: auc, value: 0.9}}", "stop.target.metric: of task multilabel must be one of micro_f1"),
        ("stop: {plateau: {metric: auc}}", "stop.plateau.metric: of task multilabel must be one of micro_f1"),
        ("labeling_functions: [{name: a, label: ham, text: x}]", "labeling_functions: are of classification"),
        ("strategy: leaf_change", "strategy: The strategy 'leaf_change' reads leaf_table, leaves, which a multilabel"),
        ("strategy: vote_entropy", "strategy: The strategy 'vote_entropy' reads committee_proba"),
        ("strategy: class_balanced(margin)", "strategy: The strategy 'class_balanced' reads known_classes"),
        (
            "strategy: {name: expected_cost, params: {costs: [[0, 1], [5, 0]]}}",
            "strategy: The strategy 'expected_cost' is made for items of one class",
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_with_labels_that_are_sets(extra: str, mistake: str):
    (found,) = mistakes(f"{SETS}{extra}\n", find_strategy=get)
    assert found.startswith(f"line 11: {mistake}")


@pytest.mark.parametrize(
    ("extra", "mistake"),
    [
        (
            "stop: {target: {metric: micro_f1, value: 0.9}}",
            "stop.target.metric: of task classification must be",
        ),
        ("strategy: {name: margin, aggregate: max}", "strategy.aggregate: is of task multilabel"),
        ("task: many", "task: must be 'classification' or 'multilabel', not many"),
    ],
)
def test_what_goes_only_with_labels_that_are_sets(extra: str, mistake: str):
    (found,) = mistakes(f"{MINIMAL}{extra}\n", find_strategy=get)
    assert found.startswith(f"line 10: {mistake}")


@pytest.mark.parametrize(
    "extra",
    [
        "strategy: {name: margin_kmeans, aggregate: min_margin, explore: 0.1}",
        "strategy: {name: '60 % margin, 40 % kcenter', quotas: {group: sender, per_group: 2}}",
        "stop: {target: {metric: macro_f1, value: 0.9}, plateau: {metric: log_loss}}",
        "stop: {target: {value: 0.9}, plateau: {}}",
    ],
)
def test_a_campaign_of_sets(extra: str):
    campaign = parse_campaign(f"{SETS}{extra}\n", "spam.yaml", find_strategy=get)
    assert campaign.task == "multilabel"
    assert Campaign.from_json(campaign.to_json()) == campaign


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "line 1: the file is empty"),
        ("- a", "line 1: the file must be keys and values, such as name: spam"),
        ("a: [1,\nb: 2", "line 2: not valid YAML: "),
        ("a: 1\n\tb: 2", "line 2: not valid YAML: "),
        ("a: &x [*x]", "line 1: not valid YAML: too large or too deep for a campaign file"),
        ("a: 1\n---\nb: 2", "line 2: not valid YAML: "),
        ("a: \x07", "line 1: not valid YAML: "),
    ],
)
def test_no_campaign_at_all(text: str, mistake: str):
    (found,) = mistakes(text)
    assert found.startswith(mistake)
    assert "\n" not in found


@given(st.text(alphabet=st.sampled_from("ab01:-[]{}&*!|>'\"%@#,? \n\t~\\"), max_size=40))
def test_any_text_ends_in_a_campaign_error(text: str):
    assert mistakes(text)


def test_class_numbers_keep_their_text():
    campaign = parse_campaign(MINIMAL.replace("[ham, spam]", "[0, 007, 1.50, 2024-01-01]"), "spam.yaml")
    assert campaign.classes == ("0", "007", "1.50", "2024-01-01")


def test_a_column_has_one_kind():
    text = MINIMAL.replace("payload: [text]", "payload: [text]\n  columns: {text: [a], numeric: [a, id]}")
    assert mistakes(text) == [
        "line 6: pool.columns.numeric[0]: a is already in pool.columns.text",
        "line 6: pool.columns.numeric[1]: id is already the id column",
    ]


def test_known_label_columns_are_no_features():
    text = MINIMAL + "holdout: {uri: s3://other/test.csv, label: truth}\n"
    assert parse_campaign(text, "spam.yaml").pool_spec.ignore == ("truth",)


def test_files(tmp_path: Path):
    path = tmp_path / "spam.yaml"
    with pytest.raises(NotFound, match="no such campaign file"):
        load_campaign(path)
    path.write_bytes(b"name: \xff")
    with pytest.raises(CampaignError, match="is not UTF-8 text"):
        load_campaign(path)
    path.write_text(MINIMAL)
    assert load_campaign(path).name == "spam"


@given(st.integers(2, 10_000), st.floats(0.001, 0.5))
def test_audit_items_fit_in_the_batch(size: int, share: float):
    audit = Batch(size=size, audit_share=share).audit_size
    assert 1 <= audit <= (size + 1) // 2


@pytest.mark.parametrize(
    "cron", ["0 6 * * 1", "*/5 * * * *", "0 0 1-7,15 jan-mar/2 mon,FRI", "0 22 * * 1-5", "@daily"]
)
def test_good_cron(cron: str):
    assert check_cron(cron) == cron


@pytest.mark.parametrize(
    "cron",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * foo *", "5-1 * * * *", "*/0 * * * *"],
)
def test_bad_cron(cron: str):
    with pytest.raises(ValueError, match=r"field|minute|hour|day|month"):
        check_cron(cron)


def documentation() -> str:
    return (ROOT / "docs" / "campaign.md").read_text()


def documented_example() -> str:
    match = re.search(r"```yaml\n(.*?)```", documentation(), re.DOTALL)
    assert match
    return match[1]


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for part, is_list in models_in(field.annotation):
            yield from keys_of(part, f"{prefix}{name}{'[]' if is_list else ''}.")


def models_in(annotation: Any, is_list: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, is_list
    for part in get_args(annotation):
        yield from models_in(part, is_list or Ellipsis in get_args(annotation))


def test_documentation_has_exactly_the_keys_of_the_models():
    documented = re.findall(r"^\| `([^`]+)` \|", documentation(), re.MULTILINE)
    assert sorted(documented) == sorted(keys_of(Campaign))


@dataclass(frozen=True)
class Needy:
    """A strategy of somebody else's that wants more than a campaign tells."""

    name: str = "needy"
    needs: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("needs", "written", "message"),
    [
        ({"cost", "proba"}, "strategy: needy", "needs cost of each item, which a campaign does not know"),
        ({"groups"}, "strategy: needy", "needs strategy.quotas.group"),
        ({"groups"}, "strategy: {name: needy, quotas: {group: sender, per_group: 2}}", None),
    ],
)
def test_a_strategy_that_needs_what_a_campaign_does_not_tell_is_refused(needs, written, message):
    def find(spec: object, n_classes: int | None) -> Needy:
        return Needy(needs=frozenset(needs))

    text = f"{MINIMAL}{written}\n"
    if message is None:
        assert parse_campaign(text, "spam.yaml", find_strategy=find).strategy.title.startswith("needy")
    else:
        (found,) = mistakes(text, find_strategy=find)
        assert message in found


def test_documented_example_uses_every_section():
    campaign = parse_campaign(documented_example(), "docs/campaign.md", find_strategy=get)
    # In place of a model, and with a page of their own.
    assert campaign.model_fields_set == set(Campaign.model_fields) - {"predictions"}


def test_import_is_light():
    heavy = {"pandas", "pyarrow", "numpy", "mlflow", "prefect"}
    code = f"import sys, tasks.campaign; print(*{heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stdout.strip() == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [("auto", "auto"), ("off", "off"), ("'off'", "off"), ("0.2", 0.2), ("0", 0.0), ("1", 1.0)],
)
def test_every_way_to_write_relabel(written, read):
    assert parse_campaign(f"{MINIMAL}relabel: {written}\n", "spam.yaml").relabel == read


@pytest.mark.parametrize("written", ["sometimes", "on", "1.5", "-0.1", "[auto]", ".nan"])
def test_a_wrong_relabel_is_one_clear_line(written):
    (found,) = mistakes(f"{MINIMAL}relabel: {written}\n")
    assert "relabel: must be auto, off or a share from 0 to 1" in found


def test_a_batch_is_as_large_as_the_money_allows():
    text = MINIMAL + "gold: {share: 0.1, uri: s3://gold/labels.csv}\n"
    campaign = parse_campaign(text, "spam.yaml")
    price = campaign.answer_price_micro
    for money in range(0, 40 * price, price // 3 or 1):
        size = campaign.affordable(money, 30)
        assert campaign.cost_micro(size) <= money
        assert size == 30 or campaign.cost_micro(size + 1) > money
