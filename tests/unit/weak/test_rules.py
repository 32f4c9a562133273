from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.campaign.weak import LabelingFunction, broken_labeling_functions, rule_columns
from tasks.errors import UsageError
from tasks.weak.patterns import search
from tasks.weak.rules import holds

PIECES = st.sampled_from(
    [
        r"\b",
        r"\w",
        r"\s",
        r"\S",
        r"\d",
        "$",
        "^",
        ".",
        "a",
        "ж",
        "é",
        "1",
        r"\.",
        "[a-c]",
        r"[^\W_]",
        "a{,2}",
        "(?:b|ü)",
    ]
)
TEXTS = st.lists(st.one_of(st.none(), st.text("abжéü1٣ .\n\x0b\x1c\u2003", max_size=6)), max_size=8)


def rule(**keys: Any) -> LabelingFunction:
    return LabelingFunction.model_validate({"name": "r", "label": "spam", **keys})


def rows(rule: LabelingFunction, table: pa.Table, text: tuple[str, ...] = ()) -> list[int]:
    held = holds(rule, table, text)
    assert not len(held.unsure)
    return np.flatnonzero(held.rows).tolist()


@given(st.lists(PIECES, min_size=1, max_size=4), st.sampled_from(["", "(?m)", "(?s)"]), TEXTS)
def test_where_re2_is_sure_it_agrees_with_python(pieces, flag, texts):
    pattern = flag + "".join(pieces)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = re.compile(pattern)
    found, unsure = search(pattern, pa.array(texts, pa.string()))
    for text, said, doubt in zip(texts, found, unsure, strict=True):
        assert doubt or bool(said) == (text is not None and compiled.search(text) is not None)


def test_plain_ascii_texts_need_no_python():
    found, unsure = search(r"(?i)\bfree\b.*now$", pa.array(["FREE, now", "freedom now", None]))
    assert found.tolist() == [True, False, False]
    assert not unsure.any()


@pytest.mark.parametrize("pattern", [r"(?=a)a", r"(a)\1", "[[:alpha:]]", "a{,3}", "a{2000}"])
def test_patterns_that_re2_lacks_or_reads_otherwise_are_left_to_python(pattern):
    found, unsure = search(pattern, pa.array(["a", None]))
    assert (found.tolist(), unsure.tolist()) == ([False, False], [True, False])


NUMBERS = {"n": [1, 20, None, 7], "x": [0.5, float("nan"), 20.0, -1.0], "t": ["1", "2e1", None, "no number"]}


@pytest.mark.parametrize("column", ["n", "x", "t"])
def test_number_conditions_hold_for_numbers_however_they_are_kept(column):
    table = pa.table(NUMBERS)
    values = pa.array([None if v is None or v == "no number" else float(v) for v in NUMBERS[column]])
    expected = [i for i, value in enumerate(values.to_pylist()) if value is not None and 0 < value < 20]
    assert rows(rule(column=column, above=0, below=20), table) == expected


def test_equals_compares_text_numbers_and_booleans():
    table = pa.table({"c": ["NG", "DE", None], "n": [7.0, 8.0, None], "b": [True, False, None]})
    assert rows(rule(column="c", equals=["NG", "RU"]), table) == [0]
    assert rows(rule(column="n", equals="7"), table) == [0]
    assert rows(rule(column="b", equals="false"), table) == [1]
    coded = table.set_column(0, "c", table.column("c").dictionary_encode())
    assert rows(rule(column="c", equals="DE"), coded) == [1]


def test_missing_says_whether_there_is_a_value():
    table = pa.table({"n": [1.0, None, float("nan")]})
    assert rows(rule(column="n", missing=True), table) == [1, 2]
    assert rows(rule(column="n", missing=False), table) == [0]


def test_all_conditions_must_hold_and_text_looks_into_every_text_column():
    table = pa.table({"subject": ["offer", "free", "x"], "body": ["free", None, "free"], "n": [1, 1, 9]})
    assert rows(rule(text="free"), table, ("subject", "body")) == [0, 1, 2]
    assert rows(rule(text="free", column="n", below=5), table, ("subject", "body")) == [0, 1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"column": "zz", "equals": "a"}, "no column zz"),
        ({"column": "v", "matches": "a"}, "column v holds"),
        ({"column": "n", "equals": "a"}, "column n holds numbers"),
        ({"text": "a"}, "text needs a text column"),
    ],
)
def test_rules_that_cannot_read_the_pool_say_so(keys, message):
    with pytest.raises(UsageError, match=message):
        holds(rule(**keys), pa.table({"v": [[1.0]], "n": [1]}), ())


def test_a_table_without_rows_or_chunks_is_no_trouble():
    empty = pa.table({"a": pa.chunked_array([], pa.string())})
    assert rows(rule(column="a", matches=r"\bx$"), empty) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{label: spam, text: a}", "a rule needs name"),
        ("{name: a, text: a}", "a rule needs label"),
        ("{name: a, label: spam}", "a rule needs a condition"),
        ("{name: a, label: spam, text: x, column: c}", "column needs a condition"),
        ("{name: a, label: spam, matches: x}", "matches needs column"),
        ("{name: a, label: spam, text: '(x'}", "is no regular expression: missing"),
        ("{name: a, label: spam, column: c, above: 3, below: 2}", "no number is above 3 and below 2"),
        ("{name: a, label: spam, column: c, equals: [NO]}", "booleans in YAML"),
        ("{name: a, label: spam, column: c, equals: [null]}", "missing: true"),
        ("{name: a b, label: spam, text: x}", "letters, digits"),
        ("{module: m.py, label: spam}", "label belongs to a rule"),
        ("{functions: [f]}", "need module"),
        ("{module: m.py, seconds: 0}", "greater than 0"),
        ("{name: a, label: spam, test: x}", "Extra inputs"),
    ],
)
def test_mistakes_in_the_file_are_named(entry, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        LabelingFunction.model_validate(yaml.safe_load(entry))


def test_unknown_classes_and_repeated_names_are_found_with_their_place():
    values = {
        "classes": ["ham", "spam"],
        "labeling_functions": [
            {"name": "a", "label": "spma"},
            {"name": "a", "label": "ham"},
            {"module": "m.py"},
            7,
        ],
    }
    assert list(broken_labeling_functions(values)) == [
        (("labeling_functions", 0, "label"), "spma is none of the classes ham, spam"),
        (("labeling_functions", 1, "name"), "labeling function a is given twice"),
    ]
    assert list(broken_labeling_functions({"labeling_functions": None})) == []


def test_columns_that_must_be_read_come_once():
    functions = [
        rule(column="c", equals="a"),
        rule(text="x"),
        LabelingFunction(module="m", columns=("d", "c")),
    ]
    assert rule_columns(functions) == ("c", "d")
