"""What is kept of a simulation."""

import socket

import pytest

from flows.simulate import request
from flows.simulate.request import check, check_dask, name_of, read_strategies, treatments
from flows.simulate.results import Results, _without_words, code_digest
from tasks.errors import ServiceUnavailable, UsageError
from tasks.simulation import SimulationProtocol, Treatment
from tasks.simulation.treatment import baseline, names

PROTOCOL = SimulationProtocol()
PIPE, MARGIN = Treatment("margin > kcenter"), Treatment("margin", "linear")


def test_a_result_is_found_again_by_data_settings_strategy_model_and_code(tmp_path):
    kept = Results(tmp_path, "data", PROTOCOL, "code")
    kept.write(PIPE, 3, {"labels": [1]})
    same = Results(tmp_path, "data", SimulationProtocol(repeats=50, metric="auc"), "code")
    assert same.read(PIPE, 3) == {"labels": [1]}
    others = [
        Results(tmp_path, "other", PROTOCOL, "code"),
        Results(tmp_path, "data", SimulationProtocol(batch=5), "code"),
        Results(tmp_path, "data", PROTOCOL, "newer"),
    ]
    assert [one.read(PIPE, 3) for one in others] == [None] * 3
    assert kept.read(Treatment(PIPE.strategy, "linear"), 3) is None
    assert (kept.read(MARGIN, 3), kept.read(PIPE, 4)) == (None, None)


def test_a_damaged_result_is_no_result(tmp_path):
    kept = Results(tmp_path, "data", PROTOCOL, "code")
    kept.write(MARGIN, 0, {"labels": [1]})
    (path,) = tmp_path.rglob("000.json")
    for damage in ("", "[]", "{}", path.read_text()[:20]):
        path.write_text(damage)
        assert kept.read(MARGIN, 0) is None
    assert [one.name for one in path.parent.iterdir()] == ["000.json"]


def test_words_about_the_code_do_not_count_as_code():
    code = '"""Doc."""\ndef f(x):\n    """Say."""\n    return x + 1\n'
    same = '"""Other."""\n# Why.\ndef f(x):\n    """Say more."""\n    return (x + 1)\n'
    assert _without_words(code) == _without_words(same)
    assert _without_words(code) != _without_words(code.replace("+ 1", "+ 2"))
    assert code_digest() == code_digest()


def test_random_is_always_an_arm_and_no_arm_runs_twice():
    assert read_strategies("margin") == ("margin", "random")
    assert read_strategies("random, margin,margin") == ("random", "margin")
    assert read_strategies("60% margin + 40% random,margin_kmeans(beta=5)")[:2] == (
        "60% margin + 40% random",
        "margin_kmeans(beta=5)",
    )
    with pytest.raises(UsageError, match="Did you mean margin"):
        read_strategies("margn")


def test_each_strategy_runs_with_each_model_and_the_first_named_leads():
    found = treatments("margin", "linear, xgboost(max_depth=6, eta=0.3)")
    assert found == tuple(
        Treatment(strategy, model)
        for strategy in ("margin", "random")
        for model in ("linear", "xgboost(max_depth=6, eta=0.3)")
    )
    assert baseline(found) == Treatment("random", "linear")
    assert names(found)[found[0]] == "margin [linear]"
    assert set(names(treatments("margin", "linear,linear")).values()) == {"margin", "random"}


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("forrest", "Did you mean forest"),
        ("linear,", "cannot be read"),
        ("", "cannot be read"),
        ("linear > forest", "There is no model"),
        ("50% linear + 50% forest", "There is no model"),
        ("stacked(linear)", "another model inside"),
        ("linear(C=3)", "takes no parameters"),
        ("xgboost(nthread=4)", "set by the simulation"),
    ],
)
def test_a_model_that_is_none_is_refused(models, said):
    with pytest.raises(UsageError, match=said):
        treatments("margin", models)


@pytest.mark.parametrize(
    "model", ["xgboost(max_dept=6)", "auto(num_boost_round=0)", "stacked(max_depth=deep)"]
)
def test_parameters_that_xgboost_does_not_take_are_refused_before_anything_runs(data, model):
    check((Treatment("margin", "xgboost(max_depth=6)"),), data)
    with pytest.raises(UsageError, match=r"max_dept|num_boost_round|refuses"):
        check((Treatment("margin", model),), data)


def test_dask_needs_its_package(monkeypatch):
    monkeypatch.setattr(request, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="prefect-dask"):
        check_dask("tcp://127.0.0.1:8786")


def test_a_dask_scheduler_has_to_answer(monkeypatch):
    monkeypatch.setattr(request, "find_spec", lambda name: name)
    for address in ("here", "tcp://host", "tcp://host:many"):
        with pytest.raises(UsageError, match="tcp://host:8786"):
            check_dask(address)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(ServiceUnavailable, match="does not answer"):
            check_dask(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize("uri", ["s3://b/mails.parquet", "/x/mails.csv.gz", "mails/", "mails"])
def test_a_data_set_is_named_after_its_file(uri):
    assert name_of(uri) == "mails"
