"""What the pages say of strategies is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tasks.campaign import StrategyChoice
from tasks.strategies import get, names
from tasks.strategies.testing import check_strategy

DOCS = Path(__file__).parents[2] / "docs"
STRATEGIES = (DOCS / "strategies.md").read_text(encoding="utf-8")


def test_every_strategy_is_described():
    described = set(re.findall(r"^\| `(\w+)", STRATEGIES, re.MULTILINE))
    assert set(names()) <= described


def test_every_example_can_be_written_into_a_campaign():
    examples = re.findall(r"```yaml\nstrategy: (.*?)```", STRATEGIES, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        get(StrategyChoice.model_validate(yaml.safe_load(example)).spec)


@pytest.mark.parametrize("text", sorted(set(re.findall(r"^\| `([^`]+)` \|", STRATEGIES, re.MULTILINE))))
def test_every_form_on_the_page_is_read(text):
    get(text.replace("S1, S2, ...", "margin, entropy").replace("(S)", "(margin)"))


def test_the_strategy_on_the_architecture_page_keeps_the_contract():
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    (code,) = (
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "@dataclass" in block
    )
    namespace: dict[str, object] = {"__name__": "tests.unit.test_docs"}
    exec(code, namespace)
    check_strategy(namespace["Cheapest"]())  # type: ignore[operator]
