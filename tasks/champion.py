"""Champion and challenger on the same items: whether a round's model becomes the one to use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.crossfit import with_crossfitted
from tasks.errors import UsageError
from tasks.outputs import model_of
from tasks.targets import targets_of
from tasks.yardsticks import Yardstick, yardsticks

if TYPE_CHECKING:
    from tasks.evaluation import Comparison

log = logging.getLogger(__name__)

RISK = 0.05
"""Chance that a champion is ever replaced by a model that is not better, over all of its challengers."""


def promotion(
    workplace: Workplace, round_: Round, campaign: Campaign, sticks: Sequence[Yardstick],
    said: Sequence[NDArray[np.float32]],
) -> dict[str, Any]:  # fmt: skip
    """Decide whether the round's model becomes champion, and say by which figures.

    Parameters
    ----------
    sticks
        What was measured on; the one with most items decides.
    said
        The model's predictions of each.

    Returns
    -------
    dict
        ``promoted`` and ``sentence`` at least. Each challenger of a champion is another look, so that the risk of all
        looks together stays at 5 %.
    """
    rule = campaign.promote.rule
    if not sticks or round_.model is None:
        return _plainly(False, rule, "nothing was measured")
    champion = champion_of(workplace, round_)
    if champion is None:
        return _plainly(True, rule, "it is the first model that was measured")
    place = int(np.argmax([stick.items for stick in sticks]))
    try:
        theirs = _champions_view(workplace, round_, champion, campaign, sticks[place].name)
    except UsageError as error:
        # Of an earlier version, or of columns that the pool no longer has: nobody could use it any more.
        log.warning("the champion of round %d cannot be compared: %s", champion.number, error)
        return _plainly(True, rule, f"the champion of round {champion.number} can no longer be used")
    if theirs is None:
        return _plainly(
            False, rule, f"no item is known that the champion of round {champion.number} predicts"
        )
    look = 1 + _challenges(workplace, round_, champion)
    return _duel(campaign, sticks[place], said[place], *theirs, champion.number, look)


def champion_of(workplace: Workplace, round_: Round) -> Round | None:
    """Give the newest earlier round whose model became champion."""
    earlier = [
        one for one in rounds.rounds_of(workplace.engine, round_.campaign) if one.number < round_.number
    ]
    winners = [one for one in earlier if one.model is not None and was_promoted(one.measures or {})]
    return winners[-1] if winners else None


def was_promoted(measures: dict[str, Any]) -> bool:
    """Tell whether a round's model became champion; earlier versions kept the answer alone."""
    return bool((measures.get("promotion") or {}).get("promoted", measures.get("promote")))


def _champions_view(
    workplace: Workplace, round_: Round, champion: Round, campaign: Campaign, name: str
) -> tuple[Yardstick, NDArray[np.float32]] | None:
    """Give the same items in the champion's feature space, and what it says of them; None without such an item."""
    rival = model_of(workplace, champion)
    assert rival is not None
    # What it adds to the pool, and its predictions of items that it learnt from, are pinned there.
    seen = replace(round_, features=champion.features, measures=champion.measures)
    found = {one.name: one for one in yardsticks(workplace, seen, campaign)}.get(name)
    if found is None:
        return None
    return found, with_crossfitted(workplace, champion, found, rival.predict(found.X))


def _challenges(workplace: Workplace, round_: Round, champion: Round) -> int:
    """Count the earlier models that were held against this champion."""
    return sum(
        (one.measures or {}).get("promotion", {}).get("look") is not None
        for one in rounds.rounds_of(workplace.engine, round_.campaign)
        if champion.number < one.number < round_.number
    )


def _duel(
    campaign: Campaign, stick: Yardstick, new: NDArray[np.float32], other: Yardstick,
    old: NDArray[np.float32], champion: int, look: int,
) -> dict[str, Any]:  # fmt: skip
    from tasks.evaluation import look_level

    both = stick.predicted & other.predicted
    if not both.any():
        return _plainly(False, campaign.promote.rule, "no item is known that both models predict")
    weight = None if stick.weight is None else stick.weight[both]
    # Of a one-sided test both ends of the interval have the risk.
    level = look_level(look, 2 * RISK)
    found = targets_of(campaign).compare(stick.y[both], new[both], old[both], weight=weight, level=level)
    wanted = 0.0 if campaign.promote.rule == "better" else -campaign.promote.margin
    promoted = found.low > wanted
    return {
        "promoted": promoted,
        "rule": campaign.promote.rule,
        "champion": champion,
        "on": stick.name,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "level": level,
        "look": look,
        "won": found.won,
        "lost": found.lost,
        "n": found.n,
        "sentence": _sentence(found, promoted, champion, wanted, level),
    }


def _sentence(found: Comparison, promoted: bool, champion: int, wanted: float, level: float) -> str:
    verdict = "becomes champion" if promoted else "does not become champion"
    end = "above" if promoted else "not above"
    return (
        f"It {verdict}: against the model of round {champion} it won {found.won} and lost {found.lost} of {found.n} "
        f"items; the difference is {100 * found.difference:+.2f} points, and the lower end of its interval of "
        f"{level:.2%}, {100 * found.low:+.2f}, is {end} {100 * wanted:+.2f}."
    )


def _plainly(promoted: bool, rule: str, why: str) -> dict[str, Any]:
    verdict = "It becomes champion" if promoted else "It does not become champion"
    return {"promoted": promoted, "rule": rule, "champion": None, "sentence": f"{verdict}: {why}."}
