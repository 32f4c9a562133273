"""Open a campaign's next round, or take up the one that was interrupted."""

from __future__ import annotations

import json
import logging

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign, Vendor
from tasks.errors import CampaignStopped, RoundWaiting
from tasks.outputs import campaign_of, manifest_of
from tasks.step import step

log = logging.getLogger(__name__)


def register(workplace: Workplace, campaign: Campaign) -> campaigns.CampaignRow:
    """Make the campaign known to the database, its vendors and its MLflow experiment with it."""
    offers = [_offer(campaign, vendor) for vendor in campaign.vendors]
    row = campaigns.register(
        workplace.engine, campaign.name, json.loads(campaign.to_json()), campaign.digest, offers
    )
    if row.mlflow_run_id is None:
        experiment = workplace.tracker.ensure_experiment(campaign.name)
        run = workplace.tracker.ensure_campaign_run(
            campaign.name, experiment, params=parameters(campaign), key=str(row.key)
        )
        campaigns.link_mlflow(workplace.engine, row.campaign_id, experiment, run)
        row = campaigns.find(workplace.engine, campaign.name)
    return row


def _offer(campaign: Campaign, vendor: Vendor) -> campaigns.Offer:
    terms = campaign.terms_of(vendor)
    return campaigns.Offer(
        vendor.name,
        terms.price_micro,
        round(vendor.lease_minutes * 60),
        vendor.max_open,
        round(campaign.corrections_hours * 3600),
        terms.own_micro,
        terms.currency,
        terms.rate,
    )


def parameters(campaign: Campaign) -> dict[str, object]:
    """Give what the campaign file fixes, flat, as MLflow shows it."""
    return {
        "task": campaign.task,
        "classes": ", ".join(campaign.classes),
        "pool": campaign.pool.uri,
        "strategy": campaign.strategy.title,
        "model": campaign.model.kind if campaign.predictions is None else "given",
        "batch_size": campaign.batch.size,
        "audit_share": campaign.batch.audit_share,
        "overlap": campaign.overlap,
        "budget_labels": campaign.budget.labels,
        "seed": campaign.seed,
    }


def pool_grew(workplace: Workplace, campaign: Campaign) -> bool:
    """Tell whether a campaign that stopped because its pool was used up finds other objects there now."""
    from tasks.pool.listing import list_pool

    last = rounds.rounds_of(workplace.engine, campaign.name)[-1]
    measures = last.measures or {}
    used_up = any(one["name"] == "pool_exhausted" and one["fired"] for one in measures.get("signals", []))
    if last.manifest is None or not (used_up or measures.get("pool", {}).get("free") == 0):
        return False
    listed, _ = list_pool(workplace.storage, campaign.pool.uri)
    then = {(one.uri, one.etag) for one in manifest_of(workplace, last).objects}
    return any((stored.uri, stored.etag) not in then for stored, _ in listed)


def may_open(workplace: Workplace, campaign: Campaign) -> None:
    """Register the campaign and make sure that there is a round to open or to go on with.

    No Prefect task of its own: that there is nothing to do is no failure to show in red.

    Raises
    ------
    RoundWaiting
        When the unfinished round is published and its labels are not in.
    CampaignStopped
        When a stop rule ended the campaign and neither budget nor stop rules were changed since, or its pool
        is used up and still what it was.
    """
    row = register(workplace, campaign)
    round_ = rounds.unfinished(workplace.engine, row.campaign_id)
    if round_ is None and row.stop_reason is not None:
        if not pool_grew(workplace, campaign):
            raise CampaignStopped(
                f"campaign {campaign.name} is stopped: {row.stop_reason.rstrip('.')}. "
                "It goes on when budget or stop rules change, or the pool if that was used up"
            )
        campaigns.lift_stop(workplace.engine, row.campaign_id)
    if round_ is not None and round_.state == "published":
        raise RoundWaiting(
            f"campaign {campaign.name}: round {round_.number} is published and waits for labels until "
            f"{round_.due_at:%Y-%m-%d %H:%M} UTC; `labelrounds collect` takes in what vendors answered"
        )


@step("open the round")
def open_round(workplace: Workplace, campaign: Campaign, flow_run_id: str | None = None) -> Round:
    """Open the next round, or resume the unfinished one with the campaign file that it was opened with."""
    row = campaigns.find(workplace.engine, campaign.name)
    round_ = rounds.unfinished(workplace.engine, row.campaign_id)
    if round_ is None:
        round_ = rounds.open_round(workplace.engine, row.campaign_id, row.spec, campaign.digest, flow_run_id)
        log.info("round %d of %s opened", round_.number, campaign.name)
    else:
        log.info("round %d of %s goes on from the state %s", round_.number, campaign.name, round_.state)
    if flow_run_id is not None:
        rounds.note_flow_run(workplace.engine, round_, flow_run_id)
    if round_.mlflow_run_id is None:
        # The run is on the round's row before anything is logged to it, so that a crash cannot double it.
        assert row.mlflow_run_id is not None
        run = workplace.tracker.ensure_round_run(
            row.mlflow_run_id, campaign.name, round_.number, params=parameters(campaign_of(round_))
        )
        rounds.link_run(workplace.engine, round_, run)
    return rounds.find(workplace.engine, round_.round_id)
