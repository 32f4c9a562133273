"""The labeling interface: whatever classes and columns are called, it is XML that reads back as it was."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.vendors.label_studio.form import KINDS, Form, form_of, kinds_of, question_of
from tasks.vendors.label_studio.names import CHOICES, FIELDS, ITEM, NOTE, choice_of, key_of, none_choice
from tasks.vendors.label_studio.options import Options

# Surrogates cannot leave this machine in any encoding.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    ["label", "item_id", "fields", "none of these", "$text", " a", "a ", "a\n", "<!--", "-->", "&lt;", "a 0123abcd"]
)  # fmt: skip
CLASSES = st.lists(NAMES, min_size=2, max_size=8, unique=True).map(tuple)
COLUMNS = st.dictionaries(NAMES, st.sampled_from(KINDS), max_size=6)
FORMS = st.builds(
    Form, st.sampled_from(["classification", "multilabel"]), CLASSES, st.integers(1, 99), COLUMNS
)


@given(FORMS)
def test_a_form_is_xml_that_asks_for_its_classes(form: Form) -> None:
    xml = form.to_xml()
    root = ET.fromstring(xml)
    names = [one.get("name") for one in root.iter() if one.get("name")]
    assert len(set(names)) == len(names)
    question = question_of(xml, form.classes)
    assert question is not None
    assert question.name == CHOICES
    assert question.to_name in names
    several = form.task == "multilabel"
    wanted = [choice_of(name) for name in form.classes] + [none_choice(form.classes)] * several
    assert list(question.choices) == wanted
    assert len(set(wanted)) == len(wanted)


@given(FORMS)
def test_a_form_reads_back(form: Form) -> None:
    assert form_of(form.to_xml()) == form


@pytest.mark.parametrize(
    "xml", ["", "<View/>", "<!-- labelrounds {} -->", "<!-- labelrounds {x} -->", "<View"]
)
def test_what_is_not_ours_is_no_form(xml: str) -> None:
    assert form_of(xml) is None
    assert question_of(xml, ("a", "b")) is None


@given(CLASSES)
def test_choices_and_keys_are_different_for_different_names(names: tuple[str, ...]) -> None:
    assert len({choice_of(name) for name in names}) == len(names)
    assert len({key_of(name) for name in names}) == len(names)
    assert not {key_of(name) for name in names} & {ITEM, FIELDS, NOTE, CHOICES}


@given(FORMS, st.data())
def test_data_has_a_value_for_all_that_is_shown(form: Form, data: st.DataObject) -> None:
    values = st.none() | st.text(max_size=9) | st.integers() | st.lists(st.integers(), max_size=2)
    names = st.sampled_from([*form.columns, "new"])
    payload: dict[str, Any] = data.draw(st.dictionaries(names, values))
    told = form.data(payload, {})
    for shown in ET.fromstring(form.to_xml()):
        if shown.tag not in ("Header", "View"):
            value = told[shown.get("value", "")[1:]]
            assert value is not None
            assert isinstance(value, dict if shown.tag == "Table" else str)
    # Nothing of the payload is left out.
    for column in payload:
        assert key_of(column) in told or column in told[FIELDS]


def test_a_link_cannot_run_a_script() -> None:
    form = Form("classification", ("a", "b"), 1, {"page": "link"})
    assert form.data({"page": "javascript:alert(1)"}, {})["page"] == "javascript:alert(1)"
    told = form.data({"page": 'https://x/"><script>'}, {})["page"]
    assert "<script>" not in told
    assert told.startswith("<a href=")


def test_columns_are_shown_by_what_stands_in_them() -> None:
    row = {
        "subject": "Hi",
        "size": "12",
        "ok": "true",
        "day": "2002-08-22",
        "raw": "{}",
        "page": "http://x/y",
    }
    pictures = ({"cat": "https://x/cat.PNG"}, {"cat": "https://x/dog.jpg?v=1"})
    rows = [
        {**row, **pictures[0]},
        {"subject": None, "size": 3.5, "ok": "", "page": "http://x/z", **pictures[1]},
    ]
    urls = {"sound": "https://s3/a.mp3?X-Amz-Expires=5", "scan": "https://s3/a?x"}
    table = dict.fromkeys(("ok", "day", "raw"), "table")
    assert kinds_of(rows, urls, {"size": "text", "gone": "image"}) == table | {
        "subject": "text", "size": "text", "cat": "image", "page": "link", "sound": "audio", "scan": "link"
    }  # fmt: skip


def test_many_short_columns_share_a_table_and_long_ones_do_not() -> None:
    row = {f"c{n}": f"word {n}" for n in range(8)} | {"body": "long\n" * 50}
    kinds = kinds_of([row], {}, {})
    assert kinds["body"] == "text"
    assert {kinds[f"c{n}"] for n in range(8)} == {"table"}


@pytest.mark.parametrize(("given_", "words"), [
    ({}, "url is missing"),
    ({"url": "ftp://x"}, "http"),
    ({"url": "http://me:pw@x"}, "password"),
    ({"url": "http://x", "token": "t"}, "no option 'token'"),
    ({"url": "http://x", "predictions": "maybe"}, "hidden, shown"),
    ({"url": "http://x", "project": "ab"}, "3 to 50"),
    ({"url": "http://x", "columns": {"a": "movie"}}, "cannot be shown as 'movie'"),
    ({"url": "http://x", "token_variable": "OTHER"}, "OTHER is not set"),
    ({"url": "http://x", "webhook": "http://y/"}, "LABEL_STUDIO_WEBHOOK_SECRET is not set"),
])  # fmt: skip
def test_wrong_options_are_refused(given_: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Options.read(given_, {"LABEL_STUDIO_TOKEN": "t"})


def test_options_hide_their_secrets() -> None:
    environment = {"T": "tok-en", "LABEL_STUDIO_WEBHOOK_SECRET": "se-cret"}
    options = Options.read({"url": "http://x/", "token_variable": "T", "webhook": "http://y"}, environment)
    assert (options.url, options.token, options.secret) == ("http://x", "tok-en", "se-cret")
    assert "tok-en" not in repr(options)
    assert "se-cret" not in repr(options)
