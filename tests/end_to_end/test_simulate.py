"""Strategies side by side, by the command."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.command import ROOT, labelrounds

# What most of these tests are about needs no particular model: the one that trains fastest.
FAST = ("--model", "xgboost(num_boost_round=20)")
SIZES = ("--seed-labels", "8", "--batch", "10", "--budget", "24", "--repeats", "2", "--jobs", "1")
SETTINGS = (*SIZES, *FAST)
LONG = ("--seed-labels", "8", "--batch", "7", "--repeats", "5", "--jobs", "2", *FAST)


def table(n: int = 120) -> pa.Table:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    columns = {"id": [f"i{i}" for i in range(n)], "a": rng.normal(y, 0.8), "b": rng.normal(-y, 0.8)}
    return pa.table({**columns, "label": np.where(y, "spam", "ham")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulate")
    pq.write_table(table(), folder / "mails.parquet")
    return folder


@pytest.fixture(scope="module")
def first(folder, stack_home, stack):
    """The document of one simulation."""
    words = (str(folder / "mails.parquet"), "--strategies", "margin", *SETTINGS, "--out", str(folder / "out"))
    return json.loads(labelrounds("simulate", *words, "--json", home=stack_home).stdout)


def test_the_document_has_the_promised_form(first, folder):
    assert first["data"] == str(folder / "mails.parquet")
    assert {"seed_labels": 8, "batch": 10, "budget": 24, "repeats": 2}.items() <= first["protocol"].items()
    assert len(first["full"]["metric"]) == 2
    arms = {arm["strategy"]: arm for arm in first["arms"]}
    assert set(arms) == {"margin", "random"}
    for arm in arms.values():
        assert arm["labels"] == [8, 18, 24]
        assert np.shape(arm["metric"]) == (2, 3)
        assert len(arm["aubc"]) == 2
        assert set(arm["labels_to"]) == {"full-0.5pp", "full-1pp", "random_end"}
        assert arm["seconds_select"] > 0
        assert arm["seconds_train"] > 0
        assert (arm["name"], arm["model"]) == (arm["strategy"], FAST[1])
        assert arm["kinds"] == [["xgboost"] * 3] * 2
        assert [point["labels"] for point in arm["checkpoints"]] == [8, 18, 24]
        assert arm["sentence"] in first["sentences"]
    starts = [[curve[0] for curve in arm["metric"]] for arm in arms.values()]
    assert starts[0] == starts[1]
    assert arms["margin"]["against"]["random"]["repeats"] == 2


@pytest.mark.slow
def test_several_models_are_compared_on_the_same_labels(first, folder, tmp_path, stack_home, stack):
    out = shutil.copytree(folder / "out", tmp_path / "out")
    words = ("--strategies", "random", *SIZES, "--model", f"{FAST[1]},linear", "--out", str(out))
    done = labelrounds("simulate", str(folder / "mails.parquet"), *words, home=stack_home)
    assert "4 of 8 campaigns were finished before" in done.stderr
    assert "accuracy by labels, and the difference to xgboost(num_boost_round=20)" in done.stdout
    document = json.loads((out / "result.json").read_text())
    base = f"random [{FAST[1]}]"
    assert document["baseline"] == base
    assert document["protocol"]["models"] == list(document["full_by_model"]) == [FAST[1], "linear"]
    assert document["full"] == document["full_by_model"][FAST[1]]
    arms = {arm["name"]: arm for arm in document["arms"]}
    assert set(arms) == {base, "random [linear]"}
    assert arms["random [linear]"]["against"][base]["repeats"] == 2
    earlier = next(arm for arm in first["arms"] if arm["strategy"] == "random")
    assert arms[base]["metric"] == earlier["metric"]
    client = mlflow.MlflowClient(stack.settings["mlflow_tracking_uri"])
    experiment = client.get_experiment_by_name("simulate/mails")
    runs = client.search_runs([experiment.experiment_id])
    models = {run.info.run_name: run.data.params["model"] for run in runs}
    assert models["random [linear]"] == "linear"


def test_the_pictures_are_drawn(first):
    assert set(first["pictures"]) == {"curves", "differences"}
    for path in first["pictures"].values():
        assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_mlflow_has_an_experiment_with_a_run_an_arm_and_metrics_by_labels(first, stack):
    client = mlflow.MlflowClient(stack.settings["mlflow_tracking_uri"])
    experiment = client.get_experiment_by_name("simulate/mails")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {"margin", "random"} <= set(runs)
    run_id = runs["margin"].info.run_id
    history = client.get_metric_history(run_id, "accuracy")
    assert [point.step for point in sorted(history, key=lambda point: point.step)] == [8, 18, 24]
    assert {one.path for one in client.list_artifacts(run_id, "plots")} == {
        "plots/curves.png",
        "plots/differences.png",
    }


def test_another_arm_and_another_repeat_run_only_what_is_missing_wherever_the_data_lie(
    first, folder, stack_home, storage, bucket
):
    sink = io.BytesIO()
    pq.write_table(table(), sink)
    storage.put(f"s3://{bucket}/mails.parquet", sink.getvalue())
    before = written(folder / "out")
    words = ("--strategies", "margin,entropy", *SETTINGS, "--repeats", "3", "--out", str(folder / "out"))
    done = labelrounds("simulate", f"s3://{bucket}/mails.parquet", *words, home=stack_home)
    assert "6 of 12 campaigns were finished before" in done.stderr
    after = written(folder / "out")
    assert len(after) == 12
    assert before.items() <= after.items()
    assert "random is what the others are measured against" in done.stdout
    assert "a difference to random is not sure at 3 repeats" in done.stdout
    document = json.loads((folder / "out" / "result.json").read_text())
    arms = {arm["strategy"]: arm for arm in document["arms"]}
    assert set(arms) == {"margin", "entropy", "random"}
    earlier = next(arm for arm in first["arms"] if arm["strategy"] == "margin")
    assert arms["margin"]["metric"][:2] == earlier["metric"]


@pytest.mark.slow
def test_a_killed_simulation_goes_on_where_it_was_and_leaves_no_process(folder, stack_home, stack):
    """Also: the folder that is taken by default, and a budget beyond the pool."""
    words = ("simulate", str(folder / "mails.parquet"), "--strategies", "margin", *LONG)
    command = [str(Path(sys.executable).with_name("labelrounds")), *words]
    environment = {**os.environ, "LABELROUNDS_HOME": str(stack_home)}
    out = stack_home / "simulations"
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(written(out)) >= 2)
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait()
    assert len(children) >= 2
    wait_for(lambda: not any(is_alive(child) for child in children))
    kept = written(out)
    assert len(kept) < 15
    done = labelrounds(*words, "--json", home=stack_home)
    assert f"{len(kept)} of 15 campaigns were finished before" in done.stderr
    assert kept.items() <= written(out).items()
    document = json.loads(done.stdout)
    assert Path(document["out"]).parent == out
    assert all(arm["labels"] == [*range(8, 72, 7), 72] for arm in document["arms"])
    assert all(np.shape(arm["metric"]) == (5, 11) for arm in document["arms"])
    assert any("cut to 72" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strategies", "margn"), "Did you mean margin"),
        (("--label", "lable"), "Did you mean 'label'"),
        (("--test-fraction", "1.5"), "--test-fraction"),
        (("--budget", "10"), "--seed-labels 20"),
        (("--seed-labels", "60"), "72 items"),
        (("--metric", "acc"), "accuracy"),
        (("--model", "xgbost"), "Did you mean xgboost"),
        (("--model", "auto,xgboost(max_dept=6)"), "'max_dept'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_before_anything_starts(folder, tmp_path, words, said):
    home = tmp_path / "home"
    done = labelrounds("simulate", str(folder / "mails.parquet"), *words, home=home, expect=2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not home.exists()


@pytest.mark.slow
def test_the_campaigns_run_on_a_dask_cluster(folder, stack_home, stack):
    environment = {**os.environ, "LABELROUNDS_HOME": str(stack_home), **stack_environment(stack)}
    address = f"tcp://127.0.0.1:{free_port()}"
    parts = (
        ("dask_scheduler", "--port", address.rpartition(":")[2], "--no-dashboard"),
        ("dask_worker", address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard"),
    )
    servers = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{name}", *words], env=environment, cwd=ROOT)
        for name, *words in parts
    ]
    try:
        wait_for(lambda: answers(address))
        words = (
            "--strategies",
            "margin",
            *SETTINGS,
            "--dask",
            address,
            "--out",
            str(folder / "dask"),
            "--json",
        )
        done = labelrounds("simulate", str(folder / "mails.parquet"), *words, home=stack_home)
        assert {arm["strategy"] for arm in json.loads(done.stdout)["arms"]} == {"margin", "random"}
        assert len(written(folder / "dask")) == 6
    finally:
        for server in reversed(servers):
            server.terminate()
            server.wait()


def stack_environment(stack) -> dict[str, str]:
    return {"PREFECT_API_URL": stack.settings["prefect_api_url"]}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(address: str) -> bool:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def written(folder: Path) -> dict[Path, int]:
    """When each result was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("results/*/[0-9]*.json")}


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def wait_for(condition, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
