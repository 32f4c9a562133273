"""What docs/stopping.md says of rules and guards is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tasks.campaign import Guards, Stop
from tasks.evaluation.guards import GUARDS, USUAL
from tasks.evaluation.stop import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "stopping.md").read_text(encoding="utf-8")


def rows(section: str) -> list[str]:
    """Give the lines of the first table of a section."""
    table = re.search(r"^\|.*?(?=\n\n)", PAGE.partition(f"\n## {section}\n")[2], re.MULTILINE | re.DOTALL)
    assert table is not None
    return table.group().splitlines()[2:]


def test_every_rule_and_every_guard_is_described():
    assert set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows("Stop rules")))) - {
        "worth", "min_gain",
    } == set(NAMES)  # fmt: skip
    assert [row.split("|")[1].strip(" `") for row in rows("Guards")] == list(GUARDS)


def test_limits_on_the_page_are_the_usual_ones():
    told = {row.split("|")[1].strip(" `"): row.split("|")[3].split()[0] for row in rows("Guards")}
    for name, limit in USUAL.items():
        assert float(told[name]) == limit


def test_the_examples_can_be_written_into_a_campaign():
    found = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    (stop,) = (Stop.model_validate(block["stop"]) for block in found if "stop" in block)
    (guards,) = (Guards.model_validate(block["guards"]) for block in found if "guards" in block)
    assert stop.plateau is not None
    assert stop.plateau.worth == 25
    assert (guards.drift, guards.one_class) == (0.4, "off")
