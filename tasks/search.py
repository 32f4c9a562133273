"""The search for a model's parameters, every few rounds, and what it found until the next."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign

if TYPE_CHECKING:
    from tasks.models import Examples, Setting

log = logging.getLogger(__name__)


def searched(
    workplace: Workplace, round_: Round, campaign: Campaign, examples: Examples, setting: Setting
) -> dict[str, Any] | None:
    """Search the parameters when it is time, else give what the last search found.

    Returns
    -------
    dict or None
        ``round`` of the search, ``params``, and its figures; None without a search so far.
    """
    from tasks.models.examples import Examples as OneClassRows
    from tasks.models.search import search

    choice = campaign.model.search
    if choice is None:
        return None
    kept = [
        (one.measures or {}).get("search")
        for one in rounds.rounds_of(workplace.engine, campaign.name)
        if one.number < round_.number
    ]
    last = next((one for one in reversed(kept) if one), None)
    due = last is None or round_.number - last["round"] >= choice.every
    if not due or not isinstance(examples, OneClassRows):
        return last
    found = search(examples, setting, trials=choice.trials, seconds=choice.seconds)
    if found is None:
        return last
    log.info("searched %d parameters: log-loss %.4f, before %.4f", found.trials, found.best, found.usual)
    return {"round": round_.number, **asdict(found)}
