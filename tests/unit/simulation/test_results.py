"""What is kept of a simulation."""

import socket

import pytest

from flows.simulate import request
from flows.simulate.request import arms, check_dask, name_of
from flows.simulate.results import Results, _without_words, code_digest
from tasks.errors import ServiceUnavailable, UsageError
from tasks.simulation import SimulationProtocol

PROTOCOL = SimulationProtocol()


def test_a_result_is_found_again_by_data_settings_strategy_and_code(tmp_path):
    kept = Results(tmp_path, "data", PROTOCOL, "code")
    kept.write("margin > kcenter", 3, {"labels": [1]})
    same = Results(tmp_path, "data", SimulationProtocol(repeats=50, metric="auc"), "code")
    assert same.read("margin > kcenter", 3) == {"labels": [1]}
    others = [
        Results(tmp_path, "other", PROTOCOL, "code"),
        Results(tmp_path, "data", SimulationProtocol(batch=5), "code"),
        Results(tmp_path, "data", PROTOCOL, "newer"),
    ]
    assert [one.read("margin > kcenter", 3) for one in others] == [None] * 3
    assert (kept.read("margin", 3), kept.read("margin > kcenter", 4)) == (None, None)


def test_a_damaged_result_is_no_result(tmp_path):
    kept = Results(tmp_path, "data", PROTOCOL, "code")
    kept.write("margin", 0, {"labels": [1]})
    (path,) = tmp_path.rglob("000.json")
    for damage in ("", "[]", "{}", path.read_text()[:20]):
        path.write_text(damage)
        assert kept.read("margin", 0) is None
    assert [one.name for one in path.parent.iterdir()] == ["000.json"]


def test_words_about_the_code_do_not_count_as_code():
    code = '"""Doc."""\ndef f(x):\n    """Say."""\n    return x + 1\n'
    same = '"""Other."""\n# Why.\ndef f(x):\n    """Say more."""\n    return (x + 1)\n'
    assert _without_words(code) == _without_words(same)
    assert _without_words(code) != _without_words(code.replace("+ 1", "+ 2"))
    assert code_digest() == code_digest()


def test_random_is_always_an_arm_and_no_arm_runs_twice():
    assert arms("margin") == ("margin", "random")
    assert arms("random, margin,margin") == ("random", "margin")
    assert arms("60% margin + 40% random,margin_kmeans(beta=5)")[:2] == (
        "60% margin + 40% random",
        "margin_kmeans(beta=5)",
    )
    with pytest.raises(UsageError, match="Did you mean margin"):
        arms("margn")


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
