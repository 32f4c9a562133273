"""Measure the round's model on what was never chosen by a model, and ask whether to go on."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.outputs import campaign_of, manifest_of, model_of, space_of
from tasks.step import step
from tasks.train import LABEL, class_codes, usable

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.evaluation import Estimate, Reliability, StopRules, StopSignal
    from tasks.features import FeatureSpace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Yardstick:
    """Labelled items that no model chose.

    Parameters
    ----------
    name
        ``audit`` or ``holdout``.
    y
        Class codes, int64 (n,).
    """

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.int64]


def _columns(table: Reliability) -> list[list[float]]:
    return [table.confidence.tolist(), table.accuracy.tolist(), table.count.tolist()]


@step("measure on audit and hold-out")
def measure(workplace: Workplace, round_: Round) -> Round:
    """Estimate the model's quality with intervals; decide whether it becomes champion, and whether to stop."""
    if round_.state != "trained" or round_.measures is None or "signals" in round_.measures:
        return round_
    from tasks.evaluation import confusion, estimate, reliability

    campaign = campaign_of(round_)
    model = model_of(workplace, round_)
    measures: dict[str, Any] = {**round_.measures, "estimates": {}, "pictures": {}}
    sticks = yardsticks(workplace, round_, campaign) if model is not None else []
    for stick in sticks:
        assert model is not None
        proba = model.predict(stick.X)
        estimates = estimate(proba, stick.y, seed=campaign.seed)
        measures["estimates"][stick.name] = {name: asdict(value) for name, value in estimates.items()}
        measures["pictures"][stick.name] = {
            "confusion": confusion(proba, stick.y, len(campaign.classes)).tolist(),
            "reliability": _columns(reliability(proba, stick.y)),
        }
    measures["balance"] = asdict(campaigns.balance(workplace.engine, round_.campaign_id))
    measures["promote"] = promotes(workplace, round_, campaign, sticks)
    signals = stop_signals(workplace, round_, campaign, measures)
    measures["signals"] = [asdict(signal) for signal in signals]
    return rounds.store(workplace.engine, round_, measures=measures)


def yardsticks(workplace: Workplace, round_: Round, campaign: Campaign) -> list[Yardstick]:
    """Collect the audit labels so far and the hold-out of the campaign, where there are any."""
    assert round_.labels is not None
    space = space_of(workplace, round_)
    labelled = workplace.fetch_table(round_.labels)
    audit = labelled.filter(usable(labelled, ("audit",)))
    sticks = [_yardstick("audit", audit, campaign, space)] if audit.num_rows else []
    if campaign.holdout is not None:
        from tasks.pool.read import read_labels

        file = campaign.holdout
        held_out = read_labels(
            workplace.storage, file.uri, id=file.id, label=file.label, classes=campaign.classes,
            columns=manifest_of(workplace, round_).columns,
        )  # fmt: skip
        held_out = held_out.append_column(LABEL, held_out.column(file.label))
        sticks.append(_yardstick("holdout", held_out, campaign, space))
    return sticks


def _yardstick(name: str, table: pa.Table, campaign: Campaign, space: FeatureSpace) -> Yardstick:
    return Yardstick(name, space.transform(table), class_codes(table, campaign))


def promotes(workplace: Workplace, round_: Round, campaign: Campaign, sticks: list[Yardstick]) -> bool:
    """Tell whether the model beats the champion on the same items (McNemar's exact test, one-sided, 5 %).

    The first model that was measured becomes champion without a fight.
    """
    from tasks.evaluation import paired_better

    if not sticks or round_.model is None:
        return False
    champion = champion_of(workplace, round_)
    if champion is None:
        return True
    rival = model_of(workplace, champion)
    new = model_of(workplace, round_)
    assert rival is not None
    assert new is not None
    # The champion has a feature space of its own, so its yardsticks are its own matrices of the same items.
    theirs = {stick.name: stick for stick in yardsticks(workplace, _with_space(round_, champion), campaign)}
    stick = max(sticks, key=lambda one: len(one.y))
    return paired_better(
        stick.y, new.predict(stick.X).argmax(axis=1), rival.predict(theirs[stick.name].X).argmax(axis=1)
    )


def champion_of(workplace: Workplace, round_: Round) -> Round | None:
    """Give the newest earlier round whose model became champion."""
    earlier = [
        one for one in rounds.rounds_of(workplace.engine, round_.campaign) if one.number < round_.number
    ]
    winners = [one for one in earlier if one.model is not None and (one.measures or {}).get("promote")]
    return winners[-1] if winners else None


def _with_space(round_: Round, champion: Round) -> Round:
    from dataclasses import replace

    return replace(round_, features=champion.features)


def stop_signals(
    workplace: Workplace, round_: Round, campaign: Campaign, measures: dict[str, Any]
) -> tuple[StopSignal, ...]:
    """Ask every stop rule; all answers are kept, whichever decides."""
    from tasks.evaluation import BudgetState, RoundResult, decide_stop

    balance = campaigns.Balance(**measures["balance"])
    used = balance.spent_micro + balance.held_micro
    limit = campaign.budget.money_micro
    state = BudgetState(
        labels_left=campaign.budget.labels - balance.bought,
        money_left_micro=None if limit is None else limit - used,
        price_micro=campaign.item_price_micro,
    )
    earlier = rounds.rounds_of(workplace.engine, round_.campaign)
    history = [
        RoundResult(one.number, one.measures["counts"]["labels"], best_estimates(one.measures))
        for one in earlier
        if one.number < round_.number and one.measures and one.state in ("published", "closed", "stopped")
    ]
    history.append(RoundResult(round_.number, measures["counts"]["labels"], best_estimates(measures)))
    return decide_stop(rules_of(campaign), history, state)


def rules_of(campaign: Campaign) -> StopRules:
    """Read the campaign's stop rules."""
    from tasks.evaluation import Plateau, StopRules, Target

    target, plateau = campaign.stop.target, campaign.stop.plateau
    return StopRules(
        target=None if target is None else Target(target.metric, target.value),
        plateau=None if plateau is None else Plateau(plateau.metric, plateau.rounds, plateau.min_gain),
        max_rounds=campaign.stop.max_rounds,
    )


def best_estimates(measures: dict[str, Any]) -> dict[str, Estimate]:
    """Read the estimates that decide: of the hold-out where there is one, else of the audit."""
    groups = measures.get("estimates", {})
    return estimates_of(groups.get("holdout") or groups.get("audit") or {})


def estimates_of(stored: dict[str, Any]) -> dict[str, Estimate]:
    """Read stored estimates; what is not known is stored as null."""
    from tasks.evaluation import Estimate

    def known(value: float | None) -> float:
        return math.nan if value is None else value

    return {
        name: Estimate(known(one["value"]), known(one["low"]), known(one["high"]), one["n"])
        for name, one in stored.items()
    }


def stop_reason(round_: Round) -> str | None:
    """Give the sentence of the first stop rule that fired; None to go on."""
    signals = (round_.measures or {}).get("signals", [])
    return next((signal["reason"] for signal in signals if signal["fired"]), None)
