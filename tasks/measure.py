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
from tasks.added import has_prediction
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.given import why_not_measured
from tasks.labelled import LABEL, class_codes, usable
from tasks.outputs import campaign_of, manifest_of, model_of, space_of
from tasks.step import step
from tasks.targets import Codes, headline, targets_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.evaluation import Estimate, StopRules, StopSignal
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
        Class codes, int64 (n,), or indicators, int8 (n, n_classes).
    predicted
        Which items the model says something of, bool (n,); all of them unless a campaign brings its predictions.
    """

    name: str
    X: NDArray[np.float32]
    y: Codes
    predicted: NDArray[np.bool_]

    @property
    def items(self) -> int:
        """How many are measured on."""
        return int(self.predicted.sum())


@step("measure on audit and hold-out")
def measure(workplace: Workplace, round_: Round) -> Round:
    """Estimate the model's quality with intervals; decide whether it becomes champion, and whether to stop."""
    if round_.state != "trained" or round_.measures is None or "signals" in round_.measures:
        return round_
    campaign = campaign_of(round_)
    model = model_of(workplace, round_)
    measures: dict[str, Any] = {**round_.measures, "estimates": {}, "pictures": {}}
    not_measured = why_not_measured(campaign)
    if not_measured is not None:
        measures["not_measured"] = not_measured
    unmeasured = model is None or not_measured is not None
    sticks = [] if unmeasured else yardsticks(workplace, round_, campaign)
    for stick in sticks:
        assert model is not None
        proba, y = model.predict(stick.X[stick.predicted]), stick.y[stick.predicted]
        found = targets_of(campaign).measure(proba, y, seed=campaign.seed)
        measures["estimates"][stick.name] = {name: asdict(one) for name, one in found.estimates.items()}
        measures["pictures"][stick.name] = found.pictures
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
    sticks = [_yardstick("audit", audit, campaign, space)]
    if campaign.holdout is not None:
        from tasks.pool.read import read_labels

        file, columns = campaign.holdout, manifest_of(workplace, round_).columns
        held_out = read_labels(
            workplace.storage, file.uri, id=file.id, label=file.label, classes=campaign.classes,
            columns=columns, task=campaign.task,
        )  # fmt: skip
        held_out = held_out.append_column(LABEL, held_out.column(file.label))
        if file.id != columns.id:
            held_out = held_out.append_column(columns.id, held_out.column(file.id))
        sticks.append(_yardstick("holdout", held_out, campaign, space))
    return [stick for stick in sticks if stick.items]


def _yardstick(name: str, table: pa.Table, campaign: Campaign, space: FeatureSpace) -> Yardstick:
    X = space.transform(table)
    known = has_prediction(space, X)
    if not known.all():
        log.warning("%s: %d items have no prediction and are not measured on", name, int((~known).sum()))
    return Yardstick(name, X, class_codes(table, campaign), known)


def promotes(workplace: Workplace, round_: Round, campaign: Campaign, sticks: list[Yardstick]) -> bool:
    """Tell whether the model surely beats the champion on the same items (exact sign test, one-sided, 5 %).

    The first model that was measured becomes champion without a fight.
    """
    if not sticks or round_.model is None:
        return False
    champion = champion_of(workplace, round_)
    if champion is None:
        return True
    new = model_of(workplace, round_)
    assert new is not None
    try:
        rival = model_of(workplace, champion)
        # The champion has a feature space of its own, so its yardsticks are its own matrices of the same items.
        theirs = {one.name: one for one in yardsticks(workplace, _with_space(round_, champion), campaign)}
    except UsageError as error:
        # Of an earlier version, or of columns that the pool no longer has: nobody could use it any more.
        log.warning("the champion of round %d cannot be compared: %s", champion.number, error)
        return True
    assert rival is not None
    stick = max(sticks, key=lambda one: one.items)
    other = theirs.get(stick.name)
    both = stick.predicted & other.predicted if other is not None else np.zeros(len(stick.y), np.bool_)
    if other is None or not both.any():
        return False
    return targets_of(campaign).better(
        stick.y[both], new.predict(stick.X[both]), rival.predict(other.X[both])
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

    # What it adds to the pool is pinned there.
    return replace(round_, features=champion.features, measures=champion.measures)


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
        price_micro=campaign.cost_micro(1),
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
    usual = headline(campaign)
    return StopRules(
        target=None if target is None else Target(target.metric or usual, target.value),
        plateau=None
        if plateau is None
        else Plateau(plateau.metric or usual, plateau.rounds, plateau.min_gain),
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
