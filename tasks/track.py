"""Show the round in MLflow and Prefect; can be done again from Postgres and S3 at any time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra.database import batches, campaigns, money, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.champion import was_promoted
from tasks.metrics import charts, curves, decision_tags, headline_estimates, metrics, table_tags
from tasks.open import parameters
from tasks.outputs import campaign_of, manifest_of, model_of, space_of
from tasks.pictures import campaign_pictures, round_pictures
from tasks.reference import Reference
from tasks.report import (
    Page,
    artifact_key,
    as_html,
    as_markdown,
    campaign_page,
    model_words,
    round_page,
)
from tasks.report.tables import REPORTED_ITEMS, tables
from tasks.step import step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from infra.tracking import DataSet, RoundModel, RoundRecord
    from tasks.pool.manifest import Manifest

log = logging.getLogger(__name__)

ONE_LOOK = ("learning_curve", "stop_signals", "burn_down", "class_balance", "calibration")


@step("track in MLflow")
def track(workplace: Workplace, round_: Round) -> Round:
    """Write a round to its MLflow run and the campaign's curves, once; of a failed one only that it did."""
    if round_.tracked_at is not None or round_.mlflow_run_id is None:
        return round_
    workplace.tracker.check()  # before the pictures are drawn for nothing
    if round_.state == "failed":
        return track_failure(workplace, round_, round_.mlflow_run_id)
    campaign = campaign_of(round_)
    picks = batches.batch_of(workplace.engine, round_)
    doubts = doubts_of(workplace, round_.measures or {})
    page = round_page(round_, campaign, links(workplace, round_), picks, doubts)
    tracked = workplace.tracker.log_round(
        round_.mlflow_run_id, record(workplace, round_, campaign, picks, doubts, page)
    )
    show_campaign(workplace, round_, campaign)
    workplace.tracker.finish(round_.mlflow_run_id)
    show_in_prefect(round_, as_markdown(page))
    rounds.mark_tracked(workplace.engine, round_, None if tracked.version is None else str(tracked.version))
    log.info("tracked at %s", tracked.url)
    return rounds.find(workplace.engine, round_.round_id)


def track_failure(workplace: Workplace, round_: Round, run_id: str) -> Round:
    """End the run of a failed round, with the reason."""
    workplace.tracker.describe(run_id, markdown=round_.reason, tags={"reason": round_.reason})
    workplace.tracker.finish(run_id, "FAILED")
    rounds.mark_tracked(workplace.engine, round_, None)
    return rounds.find(workplace.engine, round_.round_id)


def show_campaign(workplace: Workplace, round_: Round, campaign: Campaign) -> None:
    """Bring the campaign's own run up to this round: curves, pictures, page and state."""
    from infra.tracking import artifact_url

    row = campaigns.find(workplace.engine, campaign.name)
    run_id = row.mlflow_run_id
    assert run_id is not None
    assert row.experiment_id is not None
    tracker, measures = workplace.tracker, round_.measures or {}
    tracker.append_curve(run_id, measures["counts"]["labels"], curves(measures, campaign))
    tracker.share_curves(row.experiment_id, charts(measures, campaign))
    pictures = drawn(campaign_pictures(workplace, round_, campaign))
    told = [one for one in rounds.rounds_of(workplace.engine, campaign.name) if one.number <= round_.number]
    addresses = {
        "newest round" if name == "MLflow run" else name: address
        for name, address in links(workplace, round_).items()
    }
    page = campaign_page(told, campaign, addresses, money.spent(workplace.engine, round_.campaign_id))
    shown = {name: artifact_url(run_id, picture_path(name)) for name in ONE_LOOK if name in pictures}
    tracker.describe(
        run_id,
        markdown=as_markdown(page, bare=True, pictures=shown),
        files={"report.html": as_html(page, pictures).encode(), **files_of(pictures)},
        tags={"state": round_.state, "stop_reason": round_.reason or "", "rounds": round_.number},
    )
    tracker.finish(run_id, "FINISHED" if round_.state == "stopped" else "RUNNING")


def record(
    workplace: Workplace,
    round_: Round,
    campaign: Campaign,
    picks: list[dict[str, Any]],
    doubts: list[dict[str, Any]],
    page: Page,
) -> RoundRecord:
    """Gather all that MLflow shows of the round."""
    from infra.tracking import RoundRecord

    measures = round_.measures or {}
    pictures = drawn(round_pictures(round_, campaign, picks))
    decision = decision_tags(measures)
    tags = {
        "device": round_.device,
        "strategy": campaign.strategy.title,
        "cold_start": measures["counts"]["cold_start"],
        "manifest": round_.manifest.sha256[:12] if round_.manifest else None,
        "stop": round_.reason,
        "task": campaign.task,
        "currency": campaign.budget.currency,
        "model": model_words(measures.get("model") or {}),
        "model_digest": round_.model.sha256 if round_.model else None,
        "calibration": (measures.get("model", {}).get("calibration") or {}).get("method"),
        **table_tags(measures, campaign),
        "promotion": decision.get("promotion"),
        "forecast": (measures.get("forecast") or {}).get("method"),
    }
    return RoundRecord(
        number=round_.number,
        campaign=campaign.name,
        labels=measures["counts"]["labels"],
        params=parameters(campaign),
        tags={name: value for name, value in tags.items() if value},
        metrics=metrics(round_, campaign, picks),
        estimates=headline_estimates(measures, campaign),
        model=_model(workplace, round_, campaign),
        datasets=_datasets(workplace, round_, campaign),
        files={
            "report.html": as_html(page, pictures).encode(),
            "manifest.json": manifest_json(manifest_of(workplace, round_)),
            **files_of(pictures),
        },
        tables=tables(measures, campaign, picks, doubts),
        report=as_markdown(page, bare=True),
        promote=was_promoted(measures),
        decision=decision,
    )


def drawn(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Turn figures into PNG, once: they are files of the run and lie in its page."""
    from infra.tracking import png

    return {name: png(figure) for name, figure in figures.items()}


def files_of(pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """Name pictures as files of a run."""
    return {picture_path(name): content for name, content in pictures.items()}


def picture_path(name: str) -> str:
    """Give where a picture lies in its run."""
    return f"plots/{name}.png"


def doubts_of(workplace: Workplace, measures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the labels to doubt, the most suspicious first."""
    if "doubts" not in measures:
        return []
    table = workplace.fetch_table(Reference.from_json(measures["doubts"]))
    return list(table.slice(0, REPORTED_ITEMS).to_pylist())


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
        found["MLflow curves"] = workplace.tracker.curves_url(experiment)
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
