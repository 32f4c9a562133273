"""The pages of rounds and campaigns: complete, whatever is missing; harmless, whatever strangers wrote."""

from __future__ import annotations

import re
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.database.money import Spent
from tasks.report import as_html, as_markdown, campaign_page, markdown, round_page
from tasks.report.page import Line, Page, Section, Table
from tests.unit.steps.reported import DOUBTS, campaign, full, picks, round_of

LINKS = {"MLflow run": "http://127.0.0.1:5000/#/experiments/1"}
HOSTILE = '<script>alert(1)</script> | a\n# b ](http://evil.example) <img src=x onerror="alert(2)"> `c` **d**'
PICTURE = b"\x89PNG"


class Seen(HTMLParser):
    """Tags, attributes and text of a page, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_round_says_where_it_stands_why_and_what_to_do():
    text = markdown(round_of(full()), campaign(), LINKS, picks(), DOUBTS)
    for told in (
        "# mail, round 3: published",
        "Accuracy 0.950 \\(95 % interval 0.900 to 1.000\\) with 300 labels; the next batch should bring \\+0.010",
        "`labelrounds collect mail`",
        "[MLflow run](http://127.0.0.1:5000/#/experiments/1)",
        "| next batch | 400 | 10.00 | 0.960 | 0.940 to 0.970 | \\+0.010 | -0.002 to \\+0.020 |",
        "**the new champion**: It is better. Difference \\+0.012",
        "| target | stop | 0.98 | 0.97 | Reached. |",
        "| drift | overridden |",
        "| subject | 0.300 |",
        "**other strategies would have taken**: entropy 50 %, random 2 % of the batch",
        "| item 0 | margin: rank 0, cluster 4 | 0.9000 |",
        "| item 2 | drawn with probability 0.01 to measure |",
        "2 more are not shown",
        "| a7 | work | ham | spam |",
        "| audit | spam | 0.900 |",
        "Random would have needed 120 labels more.",
        "**warning**: The column label\\_copy gives the label away.",
        "| has\\_link | spam | 40 % |",
        "2 x no id, such as a, b",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("stopped", "labelrounds resume mail"),
        ("failed", "labelrounds round mail"),
        ("closed", "labelrounds round mail"),
        ("scored", "labelrounds round mail --override drift"),
    ],
)
def test_what_to_do_depends_on_the_state(state, command):
    measures = full()
    measures["guards"][0]["overridden"] = False
    text = markdown(round_of(measures, state, reason="It is enough."), campaign(), {}, [])
    assert f"`{command}`" in text
    assert "**Why it ended:** It is enough." in text


@pytest.mark.parametrize("missing", [*full(), None])
def test_a_page_is_written_whatever_is_missing(missing):
    measures = full()
    if missing is None:
        measures = {}
    else:
        del measures[missing]
    round_ = round_of(measures)
    page = round_page(round_, campaign(), {}, picks())
    for text in (as_markdown(page), as_html(page), as_markdown(campaign_page([round_], campaign(), {}))):
        assert "mail" in text
        assert "None" not in text
        assert "nan" not in text


def test_a_round_without_measures_or_batch_is_told():
    text = markdown(round_of(None, "opened"), campaign(), {}, [])
    assert "Not measured yet, with 0 labels." in text


def test_a_forecast_that_cannot_be_made_says_why():
    measures = full() | {
        "forecast": {"why_not": "Too few labels."},
        "savings": {"why_not": "No random part."},
    }
    text = markdown(round_of(measures), campaign(), {}, [])
    assert "**no forecast**: Too few labels." in text
    assert "**savings**: No random part." in text
    assert "the next batch" not in text


def test_a_campaign_tells_its_rounds_newest_first_and_its_costs():
    rounds = [round_of(full(), "closed", number=number) for number in (1, 2)] + [round_of(full(), "stopped")]
    spent = [Spent(1, "work", "acme", False, 90, 9_000_000), Spent(1, "work", "acme", True, 20, 2_000_000)]
    text = as_markdown(campaign_page(rounds, campaign(), LINKS, spent))
    assert re.findall(r"^\| (\d) \| (\w+) \| 300", text, re.MULTILINE) == [
        ("3", "stopped"),
        ("2", "closed"),
        ("1", "closed"),
    ]
    assert "| acme | overlap | 20 | 2.00 USD |" in text
    assert "| acme | work | 90 | 9.00 USD |" in text


def test_a_long_campaign_shows_its_last_rounds():
    rounds = [round_of(full(), "closed", number=number) for number in range(1, 41)]
    text = as_markdown(campaign_page(rounds, campaign(), {}))
    assert "| 40 | closed |" in text
    assert "| 10 | closed |" not in text
    assert "10 more are not shown" in text


def hostile() -> Page:
    """A page of a round of which every name and id is somebody's attack."""
    measures = full((HOSTILE, "spam"))
    measures["leaks"] = [HOSTILE]
    measures["drift"]["psi"] = {HOSTILE: 0.2}
    measures["signals"][0]["reason"] = HOSTILE
    measures["weak"]["report"]["functions"][0] |= {"name": HOSTILE, "error": HOSTILE, "row": HOSTILE}
    doubts = [dict.fromkeys(DOUBTS[0], HOSTILE)]
    names = campaign().model_copy(update={"classes": (HOSTILE, "spam")})
    return round_page(
        round_of(measures, reason=HOSTILE), names, {HOSTILE: "http://x"}, picks(3, HOSTILE), doubts
    )


def test_hostile_texts_are_shown_as_they_are_in_html():
    page = as_html(hostile(), {"confusion_audit": PICTURE, HOSTILE: PICTURE})
    seen = Seen(page)
    assert "script" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert {value for name, value in seen.attributes if name == "src"} == {"data:image/png;base64,iVBORw=="}
    assert not [name for name, _ in seen.attributes if name == "href"]
    assert HOSTILE in seen.text


def test_hostile_texts_are_one_line_of_markdown_without_markup():
    text = as_markdown(hostile())
    assert "<" not in text
    assert "http://evil" not in text  # not even a bare address, of which readers make a link
    assert not re.search(r"^# b", text, re.MULTILINE)
    tables = [line for line in text.splitlines() if line.startswith("| audit |")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in tables[-2:]}) == 1


def test_the_page_needs_nothing_from_outside():
    page = as_html(round_page(round_of(full()), campaign(), LINKS, picks()), {"scores": PICTURE})
    seen = Seen(page)
    loading = {"src", "href", "srcset", "data", "action", "background"}
    assert all((value or "").startswith("data:") for name, value in seen.attributes if name in loading)
    assert not {"script", "link", "iframe", "object", "form"} & set(seen.tags)
    assert "url(" not in page
    assert "@import" not in page


def test_pictures_stand_in_their_section_and_the_rest_comes_last():
    page = as_html(
        Page("t", sections=(Section("A", pictures=("one",)), Section("B", "said"))),
        {"two": b"2", "one": b"1"},
    )
    assert re.findall(r"<h2>(.*?)</h2>|alt=\"(\w+)\"", page) == [
        ("A", ""), ("", "one"), ("B", ""), ("More pictures", ""), ("", "two")
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_keeps_the_shape_of_a_table(one: str, other: str):
    page = Page(
        one,
        sections=(Section(other, lines=(Line(one, other),), tables=(Table(("a", "b"), ((one, other),)),)),),
    )
    text = as_markdown(page)
    row = text.rstrip("\n").splitlines()[-1]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
    assert "<" not in text
    assert {"script", "img", "a"}.isdisjoint(Seen(as_html(page)).tags)


def test_a_bare_page_has_no_heading_and_gaps_between_columns():
    page = Page("title", "state", sections=(Section("s", tables=(Table(("a", "b"), (("1", "2"),)),)),))
    assert (
        as_markdown(page, bare=True) == "**state**\n\n## s\n\n| a&emsp; | b |\n|:---|:---|\n| 1&emsp; | 2 |\n"
    )


def test_very_long_texts_are_cut():
    page = Page("t" * 10_000, sections=(Section("s", tables=(Table(("a",), (("x" * 10_000,),)),)),))
    assert len(as_markdown(page)) < 1_000
    assert len(as_html(page)) < 12_000


def test_many_classes_are_told_in_short():
    classes = tuple(f"class {place}" for place in range(200))
    text = markdown(round_of(full(classes)), campaign(classes), {}, [])
    assert "and 188 classes more" in text
    assert "140 more are not shown" in text


def test_old_rounds_without_new_keys_are_told():
    measures: dict[str, Any] = deepcopy(full())
    for signal in measures["signals"]:
        for name in ("set", "value", "threshold"):
            del signal[name]
    text = markdown(round_of(measures), campaign(), {}, [])
    assert "| target | stop | - | - | Reached. |" in text
