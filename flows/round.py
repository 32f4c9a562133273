"""One labeling round of a campaign, up to the published batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.collect import take_in
from flows.names import run_name
from flows.outcome import Outcome, outcome_of
from flows.place import find_campaign, workplace
from infra.database import batches, campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.collect import renew_labels
from tasks.decide import decide, stop_reason
from tasks.errors import (
    BudgetExceeded,
    CampaignStopped,
    DeviceUnavailable,
    GuardTripped,
    PoolChanged,
    PoolExhausted,
    PoolRejected,
    RoundBusy,
    RoundWaiting,
    StackError,
    UsageError,
)
from tasks.foresee import foresee
from tasks.guard import guard
from tasks.measure import measure
from tasks.open import may_open, open_round
from tasks.outputs import campaign_of
from tasks.publish import publish
from tasks.pull import pull
from tasks.score import score
from tasks.select import select
from tasks.serve import check_connectors, serve_vendors
from tasks.track import links, track
from tasks.train import train

HOPELESS = (PoolRejected, PoolChanged, DeviceUnavailable, UsageError)
USED_UP = (PoolExhausted, BudgetExceeded)


@flow(name="label-round", flow_run_name=run_name("round"), persist_result=False)
def label_round(campaign: str, override: Sequence[str] = ()) -> Outcome:
    """Train on the labels so far, choose what is most worth labeling next, and hand it to the vendors.

    A round that was interrupted goes on from its last committed step. While the last batch waits for labels,
    while another process drives the campaign, or when a stop rule ended it, nothing is done and the run ends as
    `Skipped`.

    Parameters
    ----------
    campaign
        The campaign file, or the name of a campaign that ran before.
    override
        Names of guards that a person has looked at and lets pass in this round.

    Returns
    -------
    Outcome
        What became of the round.
    """
    with workplace() as place:
        spec = find_campaign(place, campaign)
        try:
            with rounds.driving(place.engine, spec.name):
                return run_round(place, spec, override)
        except RoundBusy as busy:
            return skipped(spec, "busy", busy)
        except RoundWaiting as waiting:
            return skipped(spec, "waiting", waiting)
        except GuardTripped as tripped:
            return skipped(spec, "guarded", tripped)
        except CampaignStopped as stopped:
            return skipped(spec, "stopped", stopped)


def run_round(place: Workplace, spec: Campaign, override: Sequence[str] = ()) -> Outcome:
    """Take the steps of a round, in their order."""
    published = finish_earlier(place, spec)
    if published is not None:
        return describe(place, published)
    check_connectors(place.storage, spec)
    may_open(place, spec)
    round_ = open_round(place, spec, runtime.flow_run.id)
    name_flow_run(round_)
    try:
        round_ = pull(place, round_)
        round_ = renew_labels(place, round_)
        round_ = train(place, round_)
        round_ = measure(place, round_)
        round_ = foresee(place, round_)
        round_ = decide(place, round_)
        reason = stop_reason(round_) if round_.state == "trained" else None
        if reason is not None:
            round_ = rounds.end(place.engine, round_, "stopped", reason)
        else:
            round_ = score(place, round_)
            round_ = select(place, round_)
            round_ = guard(place, round_, override)
            round_ = publish(place, round_)
            serve_vendors(place, campaigns.find(place.engine, spec.name), campaign_of(round_))
    except USED_UP as used_up:
        round_ = rounds.end(place.engine, rounds.find(place.engine, round_.round_id), "stopped", str(used_up))
    except HOPELESS as error:
        give_up(place, round_, error)
        raise
    round_ = track(place, round_)
    return describe(place, round_)


def finish_earlier(place: Workplace, spec: Campaign) -> Round | None:
    """Take in what vendors answered since, and track rounds that MLflow missed.

    Returns
    -------
    Round or None
        The published round of which only the tracking was left: with it this start has done its work.
    """
    known = rounds.rounds_of(place.engine, spec.name)
    if not known:
        return None
    take_in(place, spec.name, tell=False)
    finished = [track(place, round_) for round_ in rounds.untracked(place.engine, known[0].campaign_id)]
    return next((round_ for round_ in finished if round_.state == "published"), None)


def give_up(place: Workplace, round_: Round, error: Exception) -> None:
    """End a round that trying again would not cure; nothing was spent."""
    now = rounds.find(place.engine, round_.round_id)
    if not now.ended:
        now = rounds.end(place.engine, now, "failed", str(error))
    # Why the round failed is what people need to read, not that MLflow is away too: the next start tells MLflow.
    with suppress(StackError):
        track(place, now)


def describe(place: Workplace, round_: Round) -> Outcome:
    """Say in one sentence what the round did."""
    where = links(place, round_)
    if round_.state == "stopped":
        return outcome_of(round_, f"campaign {round_.campaign} stops: {round_.reason}", where)
    counts = batches.progress(place.engine, round_)
    held = campaigns.find(place.engine, round_.campaign).held_micro / 1e6
    said = f"campaign {round_.campaign}, round {round_.number}: {counts['items']} items published, {held:.2f} reserved"
    return outcome_of(round_, said, where, items=counts["items"], complete=counts["complete"])


def skipped(spec: Campaign, result: str, why: Exception) -> Outcome:
    """End the flow run as `Skipped`: nothing is wrong, and nothing was done."""
    state: State[Outcome] = Completed(
        name="Skipped", message=str(why), data=Outcome(spec.name, result, str(why))
    )
    # A flow may return a state: Prefect records it and hands its data to the caller.
    return cast(Outcome, state)


def name_flow_run(round_: Round) -> None:
    """Name the flow run after the round, now that its number is known."""
    if runtime.flow_run.id is not None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, name=f"{round_.campaign}/round-{round_.number:03d}")
