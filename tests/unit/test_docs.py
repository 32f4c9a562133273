"""What the pages say of strategies and models is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.campaign import StrategyChoice
from tasks.models.calibration import fit_calibration
from tasks.models.crossfit import KINDS
from tasks.models.fitting import AUTO
from tasks.simulation.treatment import model_specs
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
    namespace: dict[str, Any] = {"__name__": "tests.unit.test_docs"}
    exec(code, namespace)
    check_strategy(namespace["Gini"]())


def test_every_kind_of_model_is_described_and_every_model_on_the_page_is_read():
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    assert {AUTO, *KINDS} == set(re.findall(r"^\| `(\w+)` \|", page.partition("\n## Which")[0], re.MULTILINE))
    lines = re.findall(r"^\$ labelrounds (simulate .*)", page, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line)
        assert len(model_specs(words[words.index("--model") + 1])) >= 2


def test_the_maps_of_calibration_on_the_page_are_those_there_are():
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    section = page.partition("## Calibration")[2].partition("\n## ")[0]
    rng = np.random.default_rng(0)
    proba, y = rng.dirichlet(np.ones(3), 90), rng.integers(0, 3, 90)
    found = fit_calibration(proba, y, np.ones(90), np.arange(90), seed=0)
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [score.name for score in found.scores]
