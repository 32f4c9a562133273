"""Show the round in MLflow and Prefect; can be done again from Postgres and S3 at any time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from infra.database import batches, campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.measure import best_estimates, estimates_of
from tasks.open import parameters
from tasks.outputs import campaign_of, manifest_of, model_of, space_of
from tasks.pictures import campaign_pictures, round_pictures
from tasks.reference import Reference
from tasks.report import artifact_key, markdown, model_words
from tasks.step import step

if TYPE_CHECKING:
    from infra.tracking import DataSet, RoundModel, RoundRecord
    from tasks.pool.manifest import Manifest

log = logging.getLogger(__name__)

REPORTED_ITEMS = 1_000


@step("track in MLflow")
def track(workplace: Workplace, round_: Round) -> Round:
    """Write a round to its MLflow run and the campaign's learning curve, once; of a failed one only that it did."""
    if round_.tracked_at is not None or round_.mlflow_run_id is None:
        return round_
    workplace.tracker.check()  # before the pictures are drawn for nothing
    if round_.state == "failed":
        return track_failure(workplace, round_, round_.mlflow_run_id)
    campaign = campaign_of(round_)
    row = campaigns.find(workplace.engine, campaign.name)
    assert row.mlflow_run_id is not None
    picks = batches.batch_of(workplace.engine, round_)
    report = markdown(round_, campaign, links(workplace, round_), picks)
    tracked = workplace.tracker.log_round(
        round_.mlflow_run_id, record(workplace, round_, campaign, picks, report)
    )
    labels = (round_.measures or {})["counts"]["labels"]
    if best_estimates(round_.measures or {}):
        workplace.tracker.append_curve(row.mlflow_run_id, round_.number, labels, curve_point(round_))
    workplace.tracker.describe(
        row.mlflow_run_id,
        markdown=report,
        figures=campaign_pictures(workplace, round_, campaign),
        tags={"state": round_.state, "stop_reason": round_.reason or "", "rounds": round_.number},
    )
    workplace.tracker.finish(round_.mlflow_run_id)
    workplace.tracker.finish(row.mlflow_run_id, "FINISHED" if round_.state == "stopped" else "RUNNING")
    show_in_prefect(round_, report)
    rounds.mark_tracked(workplace.engine, round_, None if tracked.version is None else str(tracked.version))
    log.info("tracked at %s", tracked.url)
    return rounds.find(workplace.engine, round_.round_id)


def track_failure(workplace: Workplace, round_: Round, run_id: str) -> Round:
    """End the run of a failed round, with the reason."""
    workplace.tracker.describe(run_id, markdown=round_.reason, tags={"reason": round_.reason})
    workplace.tracker.finish(run_id, "FAILED")
    rounds.mark_tracked(workplace.engine, round_, None)
    return rounds.find(workplace.engine, round_.round_id)


def record(
    workplace: Workplace, round_: Round, campaign: Campaign, picks: list[dict[str, Any]], report: str
) -> RoundRecord:
    """Gather all that MLflow shows of the round."""
    from infra.tracking import RoundRecord

    measures = round_.measures or {}
    groups = measures.get("estimates", {})
    tags = {
        "device": round_.device,
        "strategy": campaign.strategy.title,
        "cold_start": measures["counts"]["cold_start"],
        "manifest": round_.manifest.sha256[:12] if round_.manifest else None,
        "stop": round_.reason,
        "task": campaign.task,
        "model": model_words(measures.get("model") or {}),
        "model_digest": round_.model.sha256 if round_.model else None,
        "calibration": (measures.get("model", {}).get("calibration") or {}).get("method"),
    }
    return RoundRecord(
        number=round_.number,
        campaign=campaign.name,
        labels=measures["counts"]["labels"],
        params=parameters(campaign),
        tags={name: value for name, value in tags.items() if value},
        metrics=metrics(round_, picks),
        estimates={group: estimates_of(values) for group, values in groups.items()},
        model=_model(workplace, round_, campaign),
        datasets=_datasets(workplace, round_, campaign),
        files={"manifest.json": manifest_json(manifest_of(workplace, round_))},
        tables=_tables(workplace, measures, picks),
        figures=round_pictures(round_, campaign, picks),
        report=report,
        promote=bool(measures.get("promote")),
    )


def metrics(round_: Round, picks: list[dict[str, Any]]) -> dict[str, float]:
    """Give the round's counts and money, named so that the table of rounds reads well."""
    measures = round_.measures or {}
    # As it was when the round was measured, however late it is tracked; the batch's own reservation on top.
    balance = campaigns.Balance(**measures["balance"])
    reserved = campaign_of(round_).cost_micro(len(picks))
    values: dict[str, float] = {
        "labels": measures["counts"]["labels"],
        "labels_trained": measures["counts"]["trained"],
        "batch/items": len(picks),
        "batch/audit": sum(pick["kind"] == "audit" for pick in picks),
        "batch/explored": sum(pick["kind"] == "work" and "probability" in pick["reason"] for pick in picks),
        "money/spent": balance.spent_micro / 1e6,
        "money/held": (balance.held_micro + reserved) / 1e6,
    }
    pool = measures.get("pool")
    if pool:
        values |= {"pool/items": pool["items"], "pool/free": pool["free"]}
        values["pool/set_aside"] = sum(one["count"] for one in pool["set_aside"])
    given = measures.get("predictions")
    if given:
        values |= {"predictions/items": given["rows"], "predictions/missing": given["missing"]}
    weak: dict[str, float] = measures.get("weak", {}).get("metrics", {})
    return values | model_metrics(measures) | weak


def model_metrics(measures: dict[str, Any]) -> dict[str, float]:
    """Give what chose and calibrated the model: figures on rows that it had not seen."""
    figures = measures.get("model") or {}
    found = {
        f"model/{kind}/{name}": value
        for kind, one in figures.get("candidates", {}).items()
        for name, value in one.items()
    }
    for when in ("before", "after"):
        scores = (figures.get("calibration") or {}).get(when) or {}
        found |= {
            f"calibration/{name}_{when}": scores[name] for name in ("log_loss", "ece") if name in scores
        }
    return found


def curve_point(round_: Round) -> dict[str, Any]:
    """Give the round's point on the learning curves: every estimate of every yardstick."""
    groups = (round_.measures or {}).get("estimates", {})
    return {
        f"{group}/{name}": one
        for group, values in groups.items()
        for name, one in estimates_of(values).items()
    }


def links(workplace: Workplace, round_: Round) -> dict[str, str]:
    """Give the addresses under which people look at the round."""
    settings = workplace.settings
    prefect_ui = settings.prefect_api_url.removesuffix("/api")
    experiment = campaigns.find(workplace.engine, round_.campaign).experiment_id
    found = {}
    if round_.mlflow_run_id:
        found["MLflow run"] = (
            f"{settings.mlflow_tracking_uri}/#/experiments/{experiment}/runs/{round_.mlflow_run_id}"
        )
    if experiment:
        found["MLflow rounds"] = workplace.tracker.rounds_url(experiment)
    if round_.flow_run_id:
        found["Prefect run"] = f"{prefect_ui}/runs/flow-run/{round_.flow_run_id}"
    return found


def manifest_json(manifest: Manifest) -> bytes:
    """Write the manifest as people read it: objects, versions, rows, what was set aside and why."""
    import json
    from dataclasses import asdict

    return json.dumps(
        {
            "uri": manifest.uri,
            "rows": manifest.rows,
            "columns": asdict(manifest.columns),
            "objects": [asdict(one) for one in manifest.objects],
            "set_aside": [asdict(one) for one in manifest.set_aside],
        },
        indent=1,
    ).encode()


def show_in_prefect(round_: Round, report: str) -> None:
    """Leave the report as a Prefect artifact when a flow run is going on."""
    from prefect.artifacts import create_markdown_artifact
    from prefect.context import FlowRunContext

    if FlowRunContext.get() is not None:
        create_markdown_artifact(
            report, key=artifact_key(round_.campaign), description=f"{round_.campaign}, round {round_.number}"
        )


def _model(workplace: Workplace, round_: Round, campaign: Campaign) -> RoundModel | None:
    from infra.tracking import RoundModel

    model = model_of(workplace, round_)
    if model is None:
        return None
    assert round_.features is not None
    space, spec = space_of(workplace, round_), campaign.prediction_spec
    outputs = campaign.classes if spec is None else spec.outputs
    return RoundModel(model, tuple(space.names), outputs, round_.features.uri, round_.features.sha256)


def _datasets(workplace: Workplace, round_: Round, campaign: Campaign) -> list[DataSet]:
    from infra.tracking import DataSet

    assert round_.manifest is not None
    assert round_.labels is not None
    found = [
        DataSet("pool", campaign.pool.uri, round_.manifest.sha256, round_.manifest.rows),
        DataSet("training", round_.labels.uri, round_.labels.sha256, round_.labels.rows),
    ]
    given = (round_.measures or {}).get("predictions")
    if given is not None and campaign.predictions is not None:
        found.append(DataSet("predictions", campaign.predictions.uri, given["sha256"], given["rows"]))
    if round_.batch is not None:
        found.append(DataSet("batch", round_.batch.uri, round_.batch.sha256, round_.batch.rows))
    return found


def _tables(
    workplace: Workplace, measures: dict[str, Any], picks: list[dict[str, Any]]
) -> dict[str, dict[str, list[object]]]:
    found = {"batch": _batch_table(picks)} if picks else {}
    if "doubts" in measures:
        doubts = workplace.fetch_table(Reference.from_json(measures["doubts"])).slice(0, REPORTED_ITEMS)
        found |= {"doubted_labels": doubts.to_pydict()} if doubts.num_rows else {}
    for group, arrays in measures.get("pictures", {}).items():
        if "per_label" in arrays:
            found[f"classes_{group}"] = _class_table(arrays["per_label"])
    functions = measures.get("weak", {}).get("report", {}).get("functions", [])
    if functions:
        names = [name for name in functions[0] if name != "classes"]
        found["labeling_functions"] = {name: [one[name] for one in functions] for name in names}
    return found


def _class_table(per_label: dict[str, dict[str, Any]]) -> dict[str, list[object]]:
    """Give what was measured of each class by itself, with the ends of the intervals."""
    table: dict[str, list[object]] = {"class": list(per_label)}
    for measure in next(iter(per_label.values())):
        for end, name in (("value", measure), ("low", f"{measure}_low"), ("high", f"{measure}_high")):
            table[name] = [one[measure][end] for one in per_label.values()]
    return table


def _batch_table(picks: list[dict[str, Any]]) -> dict[str, list[object]]:
    import json

    shown = picks[:REPORTED_ITEMS]
    reasons = [pick["reason"] for pick in shown]
    table: dict[str, list[object]] = {
        name: [pick[name] for pick in shown] for name in ("item_id", "kind", "rank", "score")
    }
    table["chosen_by"] = [one.get("part") or one.get("strategy") or "audit" for one in reasons]
    for name in ("cluster", "probability"):
        if any(name in one for one in reasons):
            table[name] = [one.get(name) for one in reasons]
    table["reason"] = [json.dumps(one, sort_keys=True) for one in reasons]
    return table
