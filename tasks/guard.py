"""Look at the batch before money is spent: what is surely wrong needs a person's word."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import labels as label_store
from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.drift import drift_of
from tasks.errors import GuardTripped, UsageError
from tasks.evaluation.guards import GUARDS, USUAL, GuardSignal, drifted
from tasks.given import why_not_measured
from tasks.outputs import campaign_of, model_of
from tasks.select import KIND, REASON, WITNESS
from tasks.step import step
from tasks.targets import targets_of
from tasks.workers import workers_of
from tasks.yardsticks import Yardstick, yardsticks

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


@step("look at the batch before money is spent")
def guard(workplace: Workplace, round_: Round, overrides: Collection[str] = ()) -> Round:
    """Ask every guard; a round that trips one stays where it is, and nothing is published.

    Parameters
    ----------
    overrides
        Names of guards that a person overrides in this round; it is remembered.

    Raises
    ------
    UsageError
        When there is no guard of such a name.
    GuardTripped
        When a guard tripped that nobody overrides.
    """
    check_names(overrides)
    if round_.state != "scored" or round_.batch is None:
        return round_
    campaign, measures = campaign_of(round_), dict(round_.measures or {})
    before = earlier_of(workplace, round_)
    if "drift" not in measures:
        measures["drift"] = drift_of(workplace, round_)
    allowed = {*overrides, *(one["name"] for one in measures.get("guards", ()) if one["overridden"])}
    signals = signals_of(workplace, round_, campaign, measures, before)
    measures["guards"] = [
        {**asdict(one), "overridden": one.tripped and one.name in allowed} for one in signals
    ]
    round_ = rounds.store(workplace.engine, round_, measures=measures)
    refused = [one for one in signals if one.tripped and one.name not in allowed]
    if refused:
        raise GuardTripped(round_.campaign, round_.number, {one.name: one.reason for one in refused})
    return round_


def check_names(names: Collection[str]) -> None:
    """Refuse names that no guard has."""
    unknown = sorted(set(names) - set(GUARDS))
    if unknown:
        raise UsageError(f"There is no guard {', '.join(unknown)}; there are {', '.join(GUARDS)}.")


def earlier_of(workplace: Workplace, round_: Round) -> Round | None:
    """Give the newest round before that published a batch."""
    earlier = [
        one
        for one in rounds.rounds_of(workplace.engine, round_.campaign)
        if one.number < round_.number and one.state in ("published", "closed")
    ]
    return earlier[-1] if earlier else None


def signals_of(
    workplace: Workplace, round_: Round, campaign: Campaign, measures: dict[str, Any], before: Round | None
) -> list[GuardSignal]:
    """Ask the guards that the campaign has not switched off."""
    assert round_.batch is not None
    batch = workplace.fetch_table(round_.batch)
    found = []
    for name in GUARDS:
        limit = limit_of(campaign, name)
        if limit == "off":
            found.append(GuardSignal(name, False, "The campaign has switched this guard off."))
        elif name == "one_class":
            found.append(_one_class(workplace, round_, campaign, batch, measures, limit))
        elif name == "constant_scores":
            found.append(_constant_scores(round_, campaign, batch, measures, limit))
        elif name == "worse_model":
            found.append(_worse_model(workplace, round_, campaign, before, limit))
        elif name == "drift":
            found.append(drifted(measures.get("drift"), limit=limit))
        else:
            found.append(_vendor_errors(workplace, round_, campaign, limit))
    for one in found:
        log.log(logging.WARNING if one.tripped else logging.DEBUG, "guard %s: %s", one.name, one.reason)
    return found


def limit_of(campaign: Campaign, name: str) -> Any:
    """Read a guard's limit: a number, or ``off``."""
    limit = getattr(campaign.guards, name)
    if limit is not None:
        return limit
    if name == "vendor_errors":
        return "off" if campaign.gold is None else 1 - campaign.gold.passes
    return USUAL[name]


def _one_class(
    workplace: Workplace, round_: Round, campaign: Campaign, batch: pa.Table, measures: dict[str, Any], limit: float
) -> GuardSignal:  # fmt: skip
    """Hold the predicted classes of what the model chose against the audit's classes."""
    from tasks.evaluation.guards import one_class

    if campaign.task == "multilabel":
        return GuardSignal("one_class", False, "Items of this campaign have several classes.")
    # An item of which nothing is known is as likely of every class.
    said = [
        row
        for row in chosen_by_score(batch, measures)
        if row[WITNESS] is not None and len(set(row[WITNESS])) > 1
    ]
    if not said:
        return GuardSignal("one_class", False, "No model predicts the classes of this batch.")
    predicted = np.array([int(np.argmax(row[WITNESS])) for row in said], np.int64)
    return one_class(
        np.bincount(predicted, minlength=len(campaign.classes)),
        audited_classes(workplace, round_, campaign),
        np.array(measures["pool"]["predicted"] or [0] * len(campaign.classes)),
        campaign.classes,
        limit=limit,
    )


def audited_classes(workplace: Workplace, round_: Round, campaign: Campaign) -> NDArray[np.float64]:
    """Count the audit's labels by class; over-sampled items count by their weight, and all by what they are worth.

    Returns
    -------
    float64 (n_classes,)
        Sums to Kish's effective number of items.
    """
    sticks = yardsticks(workplace, round_, campaign)
    stick = next((one for one in sticks if one.name == "audit"), None)
    if stick is None:
        return np.zeros(len(campaign.classes))
    weight = np.ones(len(stick.y)) if stick.weight is None else stick.weight
    total = weight.sum()
    counts = np.bincount(stick.y, weights=weight / total, minlength=len(campaign.classes))
    return np.asarray(counts * total**2 / np.square(weight).sum(), np.float64)


def chosen_by_score(batch: pa.Table, measures: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the picks of the batch that a model's scores chose: no audit, no second answer, no draw, no cold start."""
    if measures.get("pool", {}).get("measure") == "random" or measures.get("counts", {}).get("cold_start"):
        return []
    rows = batch.select([KIND, REASON, WITNESS]).to_pylist()
    return [row for row in rows if row[KIND] == "work" and not is_drawn(json.loads(row[REASON]))]


def is_drawn(reason: dict[str, Any]) -> bool:
    """Tell from the reason of a pick whether it was drawn at random."""
    return "probability" in reason or reason.get("part") == "random"


def _constant_scores(
    round_: Round, campaign: Campaign, batch: pa.Table, measures: dict[str, Any], limit: float
) -> GuardSignal:
    """Hold the batch's cut against the scores of the pool."""
    from tasks.evaluation.guards import constant_scores

    if round_.model is None or campaign.strategy.is_random:
        return GuardSignal("constant_scores", False, "No model scored this pool.")
    chosen, pool = chosen_by_score(batch, measures), measures["pool"]
    return constant_scores(pool["scores"], len(chosen), pool["free"], limit=limit)


def _worse_model(
    workplace: Workplace, round_: Round, campaign: Campaign, before: Round | None, limit: float
) -> GuardSignal:
    """Hold the model against that of the round before, on items that neither has learnt from."""
    from tasks.evaluation import look_level
    from tasks.evaluation.guards import worse_model

    def not_judged(why: str) -> GuardSignal:
        return GuardSignal("worse_model", False, why)

    new = model_of(workplace, round_)
    if new is None or before is None or before.model is None:
        return not_judged("There are no two models to compare.")
    reason = why_not_measured(campaign)
    if reason is not None:
        return not_judged(reason)
    try:
        old = model_of(workplace, before)
        theirs = {one.name: one for one in yardsticks(workplace, seen_by(round_, before), campaign)}
    except UsageError as error:
        return not_judged(f"The model of round {before.number} cannot be compared: {str(error).rstrip('.')}.")
    ours = [one for one in yardsticks(workplace, round_, campaign) if is_clean(one, campaign)]
    pairs = [(one, theirs[one.name]) for one in ours if one.name in theirs]
    if old is None or not pairs:
        return not_judged("There is no audited item to compare the models on.")
    stick, other = max(pairs, key=lambda pair: pair[0].items)
    both = stick.predicted & other.predicted
    if not both.any():
        return not_judged("There is no audited item that both models predict.")
    level = look_level(round_.number)
    told = targets_of(campaign).compare(
        stick.y[both],
        new.predict(stick.X[both]),
        old.predict(other.X[both]),
        weight=None if stick.weight is None else stick.weight[both],
        level=level,
    )
    return worse_model(told.difference, told.high, told.n, level=level, limit=limit, before=before.number)


def is_clean(stick: Yardstick, campaign: Campaign) -> bool:
    """Tell whether no model has learnt from these items: with cross-fitting models learn from the audit."""
    return stick.name != "audit" or campaign.audit.train != "crossfit"


def seen_by(round_: Round, before: Round) -> Round:
    """Give the round with the feature space of an earlier one, which has its own columns and predictions."""
    from dataclasses import replace

    return replace(round_, features=before.features, measures=before.measures)


def _vendor_errors(workplace: Workplace, round_: Round, campaign: Campaign, limit: float) -> GuardSignal:
    """Look at the gold answers of the vendors that would get tasks."""
    from tasks.evaluation.guards import vendor_errors

    gold = label_store.gold_results(workplace.engine, round_.campaign_id)
    working = [one.name for one in workers_of(workplace, round_.campaign_id, campaign)]
    return vendor_errors(gold, working, passes=1 - limit)
