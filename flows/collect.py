"""Vendors' answers in, labels out; closes the round that is complete."""

from __future__ import annotations

from prefect import flow
from prefect.events import emit_event

from flows.names import run_name
from flows.outcome import Outcome, outcome_of
from flows.place import find_campaign, workplace
from infra.database import batches, campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.collect import collect, free_lapsed
from tasks.serve import serve_vendors, troubles
from tasks.track import links

COMPLETED = "labelrounds.labels.completed"


@flow(name="collect-labels", flow_run_name=run_name("collect"), persist_result=False)
def collect_labels(campaign: str) -> Outcome:
    """Take in what vendors answered, make labels of it, and close the round whose labels are in.

    Closing a round emits the event `labelrounds.labels.completed`, which starts the next round of a deployed
    campaign.

    Parameters
    ----------
    campaign
        The campaign file, or the name of a campaign that ran before.

    Returns
    -------
    Outcome
        What became of the open round.
    """
    with workplace() as place:
        return take_in(place, find_campaign(place, campaign).name)


def take_in(place: Workplace, name: str, *, tell: bool = True) -> Outcome:
    """Collect for the campaign's open round, if it has one.

    Parameters
    ----------
    tell
        Announce a round that this closes; a round that goes on itself need not be told.
    """
    free_lapsed(place)
    row = campaigns.find(place.engine, name)
    served = serve_vendors(place, row, Campaign.model_validate(row.spec))
    round_ = rounds.unfinished(place.engine, row.campaign_id)
    if round_ is None or round_.state != "published":
        return Outcome(
            name, "idle", "; ".join([f"campaign {name} has no batch at vendors", *troubles(served)])
        )
    round_ = collect(place, round_)
    counts = batches.progress(place.engine, round_)
    if round_.state == "closed" and tell:
        announce(round_)
    said = f"campaign {name}, round {round_.number}: {counts['complete']} of {counts['items']} items labelled"
    said = f"{said}; the round is closed" if round_.state == "closed" else said
    message = "; ".join([said, *troubles(served)])
    return outcome_of(
        round_, message, links(place, round_), items=counts["items"], complete=counts["complete"]
    )


def announce(round_: Round) -> None:
    """Tell Prefect that the labels are in: a hint only, the next sweep would find it in the database."""
    emit_event(
        COMPLETED,
        resource={"prefect.resource.id": f"labelrounds.campaign.{round_.campaign}"},
        payload={"round": round_.number},
    )
