from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.campaign.weak import LabelingFunction
from tasks.errors import UsageError
from tasks.weak import Runner, labeling_function, scan
from tasks.weak.functions import find_functions, load_module

CLASSES = ("ham", "spam")
N = 2_500
TABLE = pa.table(
    {
        "id": [f"i{number:05d}" for number in range(N)],
        "text": [
            ("Free money", "жюж", "no ж\n", None, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaé!")[n % 5] for n in range(N)
        ],
        "n": [float(number) for number in range(N)],
    }
)
RULES = (
    LabelingFunction(name="word", text=r"\bжюж\b", label="spam"),
    LabelingFunction(name="end", column="text", matches="o ж$", label="ham"),
    LabelingFunction(name="small", column="n", below=100, label="ham"),
)
MODULE = """
import os
import time

from tasks.weak import labeling_function


@labeling_function
def free(row):
    print("what a function prints is no answer")
    return "spam" if "free" in (row["text"] or "").lower() else None


@labeling_function(name="first-ones")
def first(row):
    if row["id"] in ("i00007", "i02003"):
        raise KeyError(row["id"])
    return "ham" if row["n"] < 10 else None


@labeling_function
def often_wrong(row):
    return 1 / (row["n"] % 10)


@labeling_function
def changes_rows(row):
    row["n"] = 0


@labeling_function
def endless(row):
    while row["n"] >= 2100:
        pass


@labeling_function
def crashes(row):
    if row["n"] == 2222:
        os._exit(3)
    return "spam"


def unmarked(row):
    return "ham"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_rules.py").write_text(MODULE)
    return tmp_path


def run(functions, folder, *, rows_at_once=N, table=TABLE, **options):
    with Runner(functions, CLASSES, text=("text",), folder=folder) as runner:
        pieces = [table.slice(start, rows_at_once) for start in range(0, table.num_rows, rows_at_once)]
        return scan(pieces, runner, id="id", n_classes=2, seed=3, **options)


def named(scan_, name):
    return scan_.votes[:, scan_.names.index(name)]


def test_rules_and_functions_vote(folder):
    module = LabelingFunction(module="my_rules.py", functions=("free", "unmarked"))
    with Runner((*RULES, module), CLASSES, text=("text",), folder=folder) as runner:
        votes = runner.votes(TABLE, TABLE["id"].to_pylist())
    assert runner.names == ("word", "end", "small", "free", "unmarked")
    assert runner.kinds == ("rule",) * 3 + ("python",) * 2
    assert not runner.failures
    number = np.arange(N)
    for column, (where, label) in enumerate(
        [
            (number % 5 == 1, 1),
            (number % 5 == 2, 0),
            (number < 100, 0),
            (number % 5 == 0, 1),
            (number >= 0, 0),
        ]
    ):
        np.testing.assert_array_equal(votes[:, column], np.where(where, label, -1))


def test_the_scan_does_not_depend_on_chunks_or_order(folder):
    functions = (*RULES, LabelingFunction(module="my_rules", functions=("free", "first", "often_wrong")))
    scans = [
        run(functions, folder, rows_at_once=N, sample=300),
        run(functions, folder, rows_at_once=333, sample=300),
        run(functions, folder, table=TABLE.take(np.random.default_rng(0).permutation(N)), sample=300),
    ]
    for other in scans[1:]:
        assert other.ids == scans[0].ids
        np.testing.assert_array_equal(other.votes, scans[0].votes)
        np.testing.assert_array_equal(other.counts.patterns, scans[0].counts.patterns)
        np.testing.assert_array_equal(other.counts.counts, scans[0].counts.counts)
        assert (other.failures, other.broken) == (scans[0].failures, scans[0].broken)
    assert scans[0].broken == ("often_wrong",)
    assert scans[0].failures["first-ones"].row == "i00007"
    assert scans[0].failures["first-ones"].rows == 2


def test_broken_functions_are_disabled_and_the_others_go_on(folder):
    module = LabelingFunction(module="my_rules.py", seconds=0.5)
    result = run((*RULES, module), folder)
    assert result.names[3:] == (
        "free", "first-ones", "often_wrong", "changes_rows", "endless", "crashes"
    )  # fmt: skip
    assert result.broken == result.names[5:]
    errors = {name: failure.error for name, failure in result.failures.items()}
    assert "division by zero" in errors["often_wrong"]
    assert result.failures["often_wrong"].rows == N  # the rest returned numbers
    assert "item assignment" in errors["changes_rows"]
    assert "took more than 0.5 s" in errors["endless"]
    assert result.failures["endless"].row == "i02100"
    assert "exit code 3" in errors["crashes"]
    broken = [result.names.index(name) for name in result.broken]
    assert (result.counts.patterns[:, broken] == -1).all()
    assert (result.votes[:, broken] == -1).all()
    assert (named(result, "free") == 1).any()
    assert (result.settle(np.zeros((1, 9), np.int16)) == -1).sum() == len(broken)


def test_a_function_that_lets_nothing_interrupt_it_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.weak.process.GRACE", 1.0)
    (tmp_path / "m.py").write_text(
        """
import time

def swallows(row):
    while row["n"] >= 2100:
        try:
            time.sleep(1)
        except BaseException:
            pass

def after(row):
    return "ham"
"""
    )
    module = LabelingFunction(module="m.py", functions=("swallows", "after"), seconds=0.3)
    result = run((module,), tmp_path)
    assert result.broken == ("swallows",)
    assert "took more than 0.3 s" in result.failures["swallows"].error
    assert result.counts.counts[result.counts.patterns[:, 1] == 0].sum() == N


def test_a_pattern_that_explodes_is_stopped():
    # RE2 reads it in linear time; the text is not ASCII, so Python must judge it.
    slow = LabelingFunction(name="slow", text=r"\b(a+)+$", label="ham", seconds=0.3)
    result = run((slow, RULES[2]), None)
    assert result.broken == ("slow",)
    assert "took more than 0.3 s" in result.failures["slow"].error


@pytest.mark.parametrize(
    ("module", "functions", "error"),
    [
        ("nowhere.py", (), "there is no file"),
        ("no_such_module", ("a", "b"), "No module named"),
        ("my_rules.py", ("other",), "has no function other"),
        ("syntax.py", (), "SyntaxError"),
        ("leaves.py", (), "SystemExit"),
        ("plain.py", (), "no function marked"),
    ],
)
def test_a_module_that_cannot_be_used_is_shown_and_the_rules_go_on(folder, module, functions, error):
    (folder / "syntax.py").write_text("def")
    (folder / "leaves.py").write_text("raise SystemExit(2)")
    (folder / "plain.py").write_text("x = 1")
    result = run((LabelingFunction(module=module, functions=functions), RULES[2]), folder)
    assert result.broken == (functions or (module,))
    assert all(error in result.failures[name].error for name in result.broken)
    assert (named(result, "small") == 0).sum() == 100


def test_two_functions_of_one_name_get_different_ones(folder):
    rule = LabelingFunction(name="free", column="n", below=3, label="ham")
    module = LabelingFunction(module="my_rules.py", functions=("free",))
    with Runner((rule, module, module), CLASSES, folder=folder) as runner:
        assert runner.names == ("free", "my_rules.free", "my_rules.free-2")


def test_a_rule_that_the_pool_cannot_answer_is_disabled():
    result = run((LabelingFunction(name="gone", column="gone", equals=("x",), label="ham"), RULES[2]), None)
    assert result.broken == ("gone",)
    assert "no column gone" in result.failures["gone"].error


def test_wrong_use_is_refused():
    with pytest.raises(UsageError, match="none of the classes"):
        Runner((LabelingFunction(name="a", text="x", label="eggs"),), CLASSES)
    with pytest.raises(UsageError, match="given twice"):
        Runner((RULES[0], RULES[0]), CLASSES)
    with Runner(RULES, CLASSES, text=("text",)) as runner:
        runner.votes(TABLE.slice(0, 1), ["i"])
        with pytest.raises(UsageError, match="used before"):
            scan([TABLE], runner, id="id", n_classes=2, seed=0)


def test_functions_are_found_by_mark_or_name(folder):
    module = load_module("my_rules.py", str(folder))
    assert list(find_functions(module, ()))[:2] == ["free", "first-ones"]
    assert list(find_functions(module, ("unmarked", "first"))) == ["unmarked", "first-ones"]

    @labeling_function
    def plain(row):
        return None

    assert plain({}) is None
