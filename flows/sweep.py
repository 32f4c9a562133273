"""What nobody waits for: lapsed leases, interrupted rounds, answers and events that were missed."""

from __future__ import annotations

import logging

from prefect import flow

from flows.collect import announce, take_in
from flows.names import run_name
from flows.place import find_campaign, workplace
from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.errors import RoundBusy
from tasks.track import track

log = logging.getLogger(__name__)


@flow(name="sweep", flow_run_name=run_name("sweep"), persist_result=False)
def sweep(campaign: str | None = None) -> list[dict[str, str]]:
    """Do for every campaign what an event would have done, had it arrived.

    Frees lapsed leases, takes answers in, closes complete rounds, tracks rounds that MLflow missed, and
    announces campaigns whose next round may start, among them those whose round was interrupted.

    Parameters
    ----------
    campaign
        Only this one: its file or name. None for all.

    Returns
    -------
    list of dict
        Campaign and what was done for it.
    """
    with workplace() as place:
        names = [find_campaign(place, campaign).name] if campaign else campaigns.names(place.engine)
        return [{"campaign": name, "done": sweep_one(place, name)} for name in names]


def sweep_one(place: Workplace, name: str) -> str:
    """Sweep one campaign; what a living process drives is left alone."""
    try:
        with rounds.driving(place.engine, name):
            return _sweep_driven(place, name)
    except RoundBusy:
        return "a round is being driven: left alone"


def _sweep_driven(place: Workplace, name: str) -> str:
    row = campaigns.find(place.engine, name)
    outcome = take_in(place, name)
    for round_ in rounds.untracked(place.engine, row.campaign_id):
        track(place, round_)
    newest = rounds.rounds_of(place.engine, name)[-1:]
    held = guards_that_hold(newest[0]) if newest else []
    if held:
        return f"round {newest[0].number} waits for a person's word: {', '.join(held)}"
    if newest and is_interrupted(newest[0]):
        # Nobody holds the campaign, so whoever drove this round is gone.
        announce(newest[0])
        return f"round {newest[0].number} was interrupted in the state {newest[0].state}: announced to go on"
    if newest and newest[0].state == "closed" and row.stop_reason is None and outcome.result == "idle":
        announce(newest[0])
        return f"round {newest[0].number} is closed: announced the next"
    return outcome.message


def guards_that_hold(round_: Round) -> list[str]:
    """Name the guards that keep a round from being published; trying again would not help."""
    guards = (round_.measures or {}).get("guards", []) if round_.state == "scored" else []
    return [one["name"] for one in guards if one["tripped"] and not one["overridden"]]


def is_interrupted(round_: Round) -> bool:
    """Tell whether a process should be driving the round."""
    return round_.state in ("opened", "trained", "scored")
