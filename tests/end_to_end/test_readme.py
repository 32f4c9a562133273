"""Every command of the README runs, in its order, on a stack of its own."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.end_to_end.command import ROOT, labelrounds

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The console lines after the two that install: those are what runs this test, and the demo's test."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if not line.startswith("pip install")]


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    labelrounds("down", home=tmp_path / "home")


@pytest.mark.slow
def test_the_commands_run_in_the_order_of_the_page(home):
    hired: dict[str, str] = {}
    for line in commands():
        words = line.split()[1:]
        # What is measured there takes minutes; a smaller measurement shows that the command works.
        smaller = ["--repeats", "1", "--budget", "45", "--model", "linear"] if words[0] == "simulate" else []
        done = labelrounds(*words, *smaller, home=home, timeout=240)
        if line.startswith("labelrounds vendor add"):
            hired = dict(told.split() for told in done.stdout.splitlines())
            answer_like_the_readme(hired)
        if line.startswith("labelrounds labels export"):
            assert len(done.stdout.splitlines()) == 21, "header and the 20 labels of round 1"
        if "--verify" in line:
            assert "the same, item by item" in done.stdout
    assert set(hired) == {"key", "gateway"}


def answer_like_the_readme(hired: dict[str, str]) -> None:
    (script,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KEY": hired["key"], "GATEWAY": hired["gateway"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "'accepted': 20," in done.stdout


def test_the_campaign_on_the_page_is_the_one_that_ships():
    (shown,) = blocks("yaml")
    shipped = yaml.safe_load((ROOT / "infra/campaigns/emails.yaml").read_text(encoding="utf-8"))
    for key, value in yaml.safe_load(shown).items():
        assert shipped[key] == value


def test_every_setting_is_on_the_page():
    from infra.settings import PREFIX, Given

    for name in Given.model_fields:
        assert PREFIX + name.upper() in README


def test_files_that_the_page_links_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists() or target.startswith("http"), target
