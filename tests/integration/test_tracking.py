"""Rounds in a real MLflow server: complete, found again after a crash at any call, never doubled."""

from __future__ import annotations

import json
import re
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from infra.tracking import DataSet, RoundModel, RoundRecord, Tracked, Tracker, artifact_url
from infra.tracking.naming import key
from tasks.errors import ServiceUnavailable, StackError
from tasks.evaluation import Estimate
from tasks.features.view import fit_view
from tasks.models import Examples, Model, Setting, fit_model

WRITES = re.compile("^(create|log|set|update|finalize|restore)_")
NAMES = ("length", "links", "caps")


@pytest.fixture(scope="module")
def model() -> Model:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3)).astype(np.float32)
    return fit(X, (X[:, 0] > 0).astype(np.int64), 2)


def fit(X: np.ndarray, y: np.ndarray, n_classes: int) -> Model:
    view = fit_view(X, ["numeric"] * 3)
    setting = Setting(n_classes, NAMES, ("q",) * 3, view, "cpu", 3, {"num_boost_round": 20})
    return fit_model("stacked", Examples.of(X, y), setting).model


@pytest.fixture(scope="module")
def uri(stack: Any) -> str:
    return str(stack.settings["mlflow_tracking_uri"])


@pytest.fixture
def tracker(uri: str) -> Tracker:
    return Tracker(uri)


@pytest.fixture
def campaign() -> str:
    return f"spam-{uuid.uuid4().hex[:8]}"


def record(campaign: str, number: int, model: Model, *, promote: bool = False) -> RoundRecord:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    return RoundRecord(
        number=number,
        campaign=campaign,
        labels=100 * number,
        params={"strategy": "margin"},
        tags={"device": "cpu"},
        metrics={"pool/items": 4000.0, "money/spent": 7.5 * number, "audit/undefined": float("nan")},
        estimates={"audit": {"accuracy": Estimate(0.95, 0.91, 0.98, 120)}},
        model=RoundModel(model, NAMES, ("ham", "spam"), f"s3://artifacts/{campaign}/space", "ab" * 32),
        datasets=[
            DataSet("pool", "s3://pool/mail/", "cd" * 32, 4000, {"text": "string"}),
            DataSet("training", f"s3://artifacts/{campaign}/{number}.parquet", f"{number:064x}", 100),
        ],
        files={"manifest.json": b"{}"},
        tables={
            "batch": {"rank": np.arange(1, 3), "item_id": ["a", "b"], "score": np.float32([0.5, np.nan])}
        },
        figures={"learning_curve": figure},
        report=f"# Round {number}\n\nAll is well.",
        promote=promote,
        decision={"promotion": "promoted" if promote else "not promoted", "promotion_p": 0.01},
    )


def track(tracker: Tracker, made: RoundRecord) -> tuple[str, str, Tracked]:
    """All calls of one round; returns the ids of both runs and the result."""
    experiment = tracker.ensure_experiment(made.campaign)
    parent = tracker.ensure_campaign_run(made.campaign, experiment, {"budget": 1000})
    run = tracker.ensure_round_run(parent, made.campaign, made.number, {"strategy": "margin"}, made.params)
    tracked = tracker.log_round(run, made)
    tracker.append_curve(parent, made.labels, curves(made))
    tracker.share_curves(experiment, [["curve audit/accuracy", "curve audit/accuracy_low"]])
    tracker.describe(parent, markdown=made.report, figures=made.figures, files={"report.html": b"<p>"})
    tracker.finish(run)
    return parent, run, tracked


def curves(made: RoundRecord) -> dict[str, dict[str, Any]]:
    return {
        "curve": {"audit/accuracy": made.estimates["audit"]["accuracy"]},
        "stop": {"target": 0.91, "target_threshold": 0.97},
    }


def client_of(tracker: Tracker) -> Any:
    return tracker._connection.client


def state(tracker: Tracker, campaign: str) -> dict[str, Any]:
    """Everything of a campaign that a repeated call could double or change."""
    client = client_of(tracker)
    experiment = client.get_experiment_by_name(campaign)
    found: dict[str, Any] = {"versions": {}, "runs": {}, "views": dict(experiment.tags)}
    for version in client.search_model_versions(f"name = '{campaign}'"):
        full = client.get_model_version(campaign, version.version)
        found["versions"][full.tags["round"]] = (full.version, sorted(full.aliases), full.tags)
    models = client.search_logged_models([experiment.experiment_id])
    found["models"] = sorted((entry.name, str(entry.status)) for entry in models)
    for run in client.search_runs([experiment.experiment_id]):
        name, run_id = run.info.run_name, run.info.run_id
        assert name not in found["runs"], "a run was doubled"
        found["runs"][name] = {
            "status": run.info.status,
            "params": run.data.params,
            "tags": {tag: value for tag, value in run.data.tags.items() if "history" not in tag},
            "points": {
                metric: [(point.step, point.value) for point in client.get_metric_history(run_id, metric)]
                for metric in run.data.metrics
            },
            "datasets": sorted(entry.dataset.name for entry in run.inputs.dataset_inputs),
            "outputs": len(run.outputs.model_outputs) if run.outputs else 0,
            "files": sorted(files_of(client, run_id)),
        }
    for run in found["runs"].values():
        run["tags"].pop("mlflow.parentRunId", None)
    return found


def files_of(client: Any, run_id: str, folder: str | None = None) -> Iterator[str]:
    for entry in client.list_artifacts(run_id, folder):
        if entry.is_dir:
            yield from files_of(client, run_id, entry.path)
        else:
            yield entry.path


def test_a_round_is_tracked_whole(tracker, campaign, model):
    parent, run_id, tracked = track(tracker, record(campaign, 1, model))
    run = client_of(tracker).get_run(run_id)

    assert run.info.run_name == "round-001"
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.params == {"strategy": "margin"}
    assert run.data.metrics == {
        "audit/accuracy": 0.95,
        "audit/accuracy_low": 0.91,
        "audit/accuracy_high": 0.98,
        "pool/items": 4000,
        "money/spent": 7.5,
        "labels": 100,
    }
    assert run.data.tags["mlflow.note.content"].startswith("# Round 1")
    found = state(tracker, campaign)["runs"]["round-001"]
    assert found["datasets"] == [f"{campaign}-pool", f"{campaign}-training"]
    assert found["files"] == [
        "batch.csv",
        "batch.json",
        "manifest.json",
        "plots/learning_curve.png",
        "report.md",
    ]
    source = json.loads(run.inputs.dataset_inputs[0].dataset.source)
    assert source["uri"].startswith("s3://")
    assert tracked.model_uri == f"models:/{campaign}/1"
    assert run_id in tracked.url


def test_the_batch_is_a_table(tracker, campaign, model, tmp_path):
    _, run_id, _ = track(tracker, record(campaign, 1, model))
    table = json.loads(_download(tracker, run_id, "batch.json", tmp_path))
    assert table == {"columns": ["rank", "item_id", "score"], "data": [[1, "a", 0.5], [2, "b", None]]}
    assert _download(tracker, run_id, "batch.csv", tmp_path).splitlines()[0] == "rank,item_id,score"


def test_a_model_of_three_classes_predicts_a_column_each(tracker, campaign, monkeypatch):
    import mlflow
    import pandas as pd

    X = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    three = fit(X, np.arange(60) % 3, 3)
    made = replace(plain(campaign, three), model=RoundModel(three, NAMES, ("a", "b", "c")))
    _, _, tracked = track(tracker, made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    loaded = mlflow.pyfunc.load_model(tracked.model_uri)
    np.testing.assert_allclose(loaded.predict(pd.DataFrame(X, columns=NAMES)), three.predict(X), rtol=1e-5)
    assert loaded.metadata.signature.outputs.inputs[0].shape == (-1, 3)


def _download(tracker: Tracker, run_id: str, name: str, folder: Any) -> str:
    client_of(tracker).download_artifacts(run_id, name, str(folder))
    return (folder / name).read_text()


def test_the_model_is_loaded_by_its_alias_and_predicts_the_same(tracker, campaign, model, monkeypatch):
    import mlflow
    import pandas as pd

    track(tracker, record(campaign, 1, model))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{campaign}@champion")
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    X[0, 1] = np.nan
    predicted = loaded.predict(pd.DataFrame(X, columns=NAMES))
    np.testing.assert_allclose(predicted, model.predict(X), rtol=1e-5)
    assert loaded.metadata.signature.outputs.inputs[0].shape == (-1, 2)
    assert loaded.metadata.metadata["output"] == "probabilities of ham, spam"
    assert loaded.metadata.metadata["kind"] == "stacked"
    assert loaded.metadata.metadata["classes"] == ["ham", "spam"]
    assert loaded.metadata.signature.inputs.input_names() == list(NAMES)
    assert loaded.metadata.metadata["feature_space_uri"].startswith("s3://")


def test_tracking_a_round_again_changes_nothing(tracker, campaign, model):
    made = record(campaign, 1, model)
    first = track(tracker, made)
    before = state(tracker, campaign)
    assert track(tracker, made) == first
    assert state(tracker, campaign) == before


def test_learning_curve_has_one_point_per_round(tracker, campaign, model):
    for number in (1, 2, 2, 1):
        track(tracker, record(campaign, number, model))
    points = state(tracker, campaign)["runs"][campaign]["points"]
    assert points["curve_by_labels/audit_accuracy"] == [(100, 0.95), (200, 0.95)]
    assert points["curve_by_labels/audit_accuracy_low"] == [(100, 0.91), (200, 0.91)]
    assert points["stop_by_labels/target_threshold"] == [(100, 0.97), (200, 0.97)]


def test_a_point_costs_two_requests_however_many_curves(tracker, campaign):
    parent = tracker.ensure_campaign_run(campaign, tracker.ensure_experiment(campaign))
    many = {"curve": {f"measure {place}": float(place) for place in range(60)}}
    counting = Tracker(tracker.uri)
    for labels in (100, 200, 200):
        counting._connection.client = calls = Counting(client_of(tracker))
        counting.append_curve(parent, labels, many)
        assert calls.made[:1] == ["get_run"]
        assert calls.made[1:] == (["log_batch"] if len(set(calls.made)) > 1 else [])
    counting._connection.client = client_of(tracker)
    counting.append_curve(parent, 150, many)  # a round that is tracked after a later one
    history = client_of(tracker).get_metric_history(parent, "curve_by_labels/measure 7")
    assert sorted((point.step, point.value) for point in history) == [(100, 7.0), (150, 7.0), (200, 7.0)]


class Counting:
    """A client that remembers which of its methods were called."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.made: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.made.append(name)
        return getattr(self._client, name)


def test_the_decision_is_on_the_version(tracker, campaign, model):
    track(tracker, record(campaign, 1, model, promote=True))
    tags = client_of(tracker).get_model_version(campaign, "1").tags
    assert (tags["promotion"], tags["promotion_p"]) == ("promoted", "0.01")


def test_the_views_show_rounds_and_curves(tracker, campaign, model):
    track(tracker, record(campaign, 1, model))
    views = client_of(tracker).get_experiment_by_name(campaign).tags
    rounds = json.loads(views["mlflow.sharedViewState.rounds"])
    assert rounds["selectedColumns"][:2] == ["metrics.`labels`", "metrics.`money/spent`"]
    [chart] = json.loads(views["mlflow.sharedViewState.curves"])["compareRunCharts"]
    assert chart["selectedMetricKeys"] == [
        "curve_by_labels/audit_accuracy",
        "curve_by_labels/audit_accuracy_low",
    ]
    experiment = tracker.ensure_experiment(campaign)
    tracker.share_curves(experiment, [[f"curve a long name {place}" * 5] for place in range(100)])
    stored = client_of(tracker).get_experiment(experiment).tags["mlflow.sharedViewState.curves"]
    assert 0 < len(json.loads(stored)["compareRunCharts"]) < 100


def test_a_picture_is_shown_from_a_description(tracker, campaign, model):
    import urllib.request

    parent, _, _ = track(tracker, record(campaign, 1, model))
    address = artifact_url(parent, "plots/learning_curve.png")
    with urllib.request.urlopen(f"{tracker.uri}/{address}") as answer:
        assert answer.read(4) == b"\x89PNG"


class DiesAfter:
    """A client whose process ends right after its n-th writing call, which is right before the next one."""

    def __init__(self, client: Any, n: int) -> None:
        self._client, self._left = client, n

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if not WRITES.match(name):
            return call

        def dying(*args: Any, **kwargs: Any) -> Any:
            answer = call(*args, **kwargs)
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
            return answer

        return dying


@pytest.mark.slow
def test_a_crash_after_any_write_leaves_nothing_doubled(uri, tracker, campaign, model):
    whole = f"{campaign}-whole"
    track(tracker, plain(whole, model))
    wanted = _comparable(state(tracker, whole), whole)
    for n in range(1, 40):
        name = f"{campaign}-{n}"
        dying = Tracker(uri)
        dying._connection.client = DiesAfter(client_of(tracker), n)
        try:
            track(dying, plain(name, model))
        except KeyboardInterrupt:
            track(tracker, plain(name, model))
            assert _comparable(state(tracker, name), name) == wanted, f"died after write {n}"
        else:
            assert n > 15  # experiment, runs, model, version, aliases, data sets, metrics, files, curve
            return
    pytest.fail("the round never came to its end")


def plain(campaign: str, model: Model) -> RoundRecord:
    """A round with all that is written but pictures, which take time."""
    return replace(record(campaign, 1, model), figures={})


def _comparable(found: dict[str, Any], campaign: str) -> Any:
    return json.loads(json.dumps(found).replace(campaign, "CAMPAIGN"))


def test_an_edited_campaign_file_does_not_fail_and_is_seen(tracker, campaign):
    experiment = tracker.ensure_experiment(campaign)
    first = tracker.ensure_campaign_run(campaign, experiment, {"budget": 500})
    again = tracker.ensure_campaign_run(campaign, experiment, {"budget": 800, "seed": 1})
    assert again == first
    run = client_of(tracker).get_run(first)
    assert run.data.params == {"budget": "500", "seed": "1"}
    assert run.data.tags["changed/budget"] == "800"


def test_aliases_follow_rounds_not_calls(tracker, campaign, model):
    for number, promote in [(1, False), (2, False), (3, True), (4, False), (2, True)]:
        track(tracker, record(campaign, number, model, promote=promote))
    aliases = client_of(tracker).get_registered_model(campaign).aliases
    versions = {name: version for name, (version, *_) in state(tracker, campaign)["versions"].items()}
    assert len(versions) == 4
    assert aliases == {"challenger": versions["4"], "champion": versions["3"]}


def test_a_round_without_model_has_no_version(tracker, campaign, model):
    _, run_id, tracked = track(tracker, replace(record(campaign, 1, model), model=None))
    assert (tracked.version, tracked.model_uri) == (None, None)
    assert state(tracker, campaign)["models"] == []
    assert client_of(tracker).get_run(run_id).data.metrics["audit/accuracy"] == 0.95


def test_a_deleted_experiment_comes_back(tracker, campaign):
    experiment = tracker.ensure_experiment(campaign)
    client_of(tracker).delete_experiment(experiment)
    assert tracker.ensure_experiment(campaign) == experiment
    assert client_of(tracker).get_experiment(experiment).lifecycle_stage == "active"


def test_an_experiment_is_made_once_by_many(uri, campaign):
    made: list[str] = []
    start = Barrier(6)

    def ensure() -> None:
        mine = Tracker(uri)
        start.wait()
        made.append(mine.ensure_experiment(campaign))

    _together(ensure for _ in range(6))
    assert len(made) == 6
    assert len(set(made)) == 1


def test_two_campaigns_are_tracked_at_once(tracker, campaign, model):
    names = [f"{campaign}-{arm}" for arm in ("margin", "random")]
    tracked: dict[str, list[Tracked]] = {name: [] for name in names}

    def drive(name: str) -> None:
        for number in (1, 2, 3):
            tracked[name].append(track(tracker, record(name, number, model))[2])

    _together((lambda name=name: drive(name)) for name in names)
    for name in names:
        assert [one.version for one in tracked[name]] == [1, 2, 3]
        found = state(tracker, name)
        assert [found["runs"][f"round-00{n}"]["outputs"] for n in (1, 2, 3)] == [1, 1, 1]
        assert all(model_name.startswith(name) for model_name, _ in found["models"])


def _together(actions: Iterator[Any]) -> None:
    threads = [Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_finish_keeps_the_first_end(tracker, campaign, model):
    _, run_id, _ = track(tracker, record(campaign, 1, model))
    ended = client_of(tracker).get_run(run_id).info.end_time
    tracker.finish(run_id)
    assert client_of(tracker).get_run(run_id).info.end_time == ended
    tracker.finish(run_id, "FAILED")
    assert client_of(tracker).get_run(run_id).info.status == "FAILED"
    with pytest.raises(ValueError, match="unknown run status 'DONE'"):
        tracker.finish(run_id, "DONE")


def test_a_refusal_says_what_and_why(tracker):
    with pytest.raises(StackError, match=r"refused to set the run .* not found") as caught:
        tracker.finish("0" * 32)
    assert not isinstance(caught.value, ServiceUnavailable)


def test_a_dead_server_is_reported_soon_and_without_its_password():
    started = time.monotonic()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ServiceUnavailable) as caught:
        Tracker(f"http://me:secret@127.0.0.1:{port}").ensure_experiment("spam")
    assert f"MLflow at http://127.0.0.1:{port} " in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10


def test_a_silent_server_is_reported_soon():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracker = Tracker(f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable, match="timed out"):
            tracker.ensure_experiment("spam")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("audit/accuracy", "audit/accuracy"),
        ("recall/C++", "recall/C_2b__2b_"),
        ("recall//../x", "recall/x"),
        ("recall/größer", "recall/größer"),
    ],
)
def test_any_class_name_makes_a_metric(tracker, campaign, name, expected):
    assert key(name) == expected
    parent = tracker.ensure_campaign_run(campaign, tracker.ensure_experiment(campaign))
    tracker.append_curve(parent, 100, {"curve": {name: 0.5}})
    assert client_of(tracker).get_run(parent).data.metrics == {
        f"curve_by_labels/{expected.replace('/', '_')}": 0.5
    }
