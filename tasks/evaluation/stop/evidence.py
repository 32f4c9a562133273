"""What stop rules look at, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tasks.evaluation.estimate import Estimate


@dataclass(frozen=True)
class Gain:
    """What the next batch is forecast to bring.

    Attributes
    ----------
    metric : str
    value, low, high : float
        How much better the metric gets against the present model, and its 90 % interval: positive is better,
        also of metrics where less is better.
    labels : int
        Labels of the batch.
    cost_micro : int
        What the batch costs, in millionths of the currency.
    """

    metric: str
    value: float
    low: float
    high: float
    labels: int
    cost_micro: int = 0


@dataclass(frozen=True)
class RoundResult:
    """What a finished round measured.

    Attributes
    ----------
    number : int
        From 1.
    labels : int
        Labels that its model was trained on.
    metrics : dict of str to Estimate
    gain : Gain or None
        What its forecast said of the batch after it.
    kappa : float or None
        Agreement of its model with that of the round before, on the fixed sample of the pool.
    uncertainty : float or None
        Its model's mean uncertainty over that sample.
    """

    number: int
    labels: int
    metrics: dict[str, Estimate] = field(default_factory=dict)
    gain: Gain | None = None
    kappa: float | None = None
    uncertainty: float | None = None


@dataclass(frozen=True)
class BudgetState:
    """What may still be spent; None = no limit.

    Attributes
    ----------
    labels_left : int or None
    money_left_micro : int or None
        In millionths of the currency, without what is reserved.
    price_micro : int
        Price of one item with its overlap: what the cheapest vendors of all its tasks cost.
    labels, money_micro : int or None
        The whole budget, for people to read.
    currency : str
    """

    labels_left: int | None
    money_left_micro: int | None
    price_micro: int
    labels: int | None = None
    money_micro: int | None = None
    currency: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that stop rules look at; what is not known is left out, and no rule fires on it.

    Attributes
    ----------
    history : sequence of RoundResult
        Rounds so far, in order, with the one just measured last.
    budget : BudgetState
    decision : mapping of str to Estimate
        By metric, intervals that may be looked at in every round: of a confidence sequence.
    metric : str or None
        Of the figures that are logged for rules that are not set.
    items_left : int or None
        Items of the pool that may still be chosen.
    today : date or None
        In UTC.
    why_no_gain : str
        Sentence: why there is no forecast.
    """

    history: Sequence[RoundResult] = ()
    budget: BudgetState = field(default_factory=lambda: BudgetState(None, None, 0))
    decision: Mapping[str, Estimate] = field(default_factory=dict)
    metric: str | None = None
    items_left: int | None = None
    today: date | None = None
    why_no_gain: str = ""


@dataclass(frozen=True)
class StopSignal:
    """A rule's answer in one round.

    Attributes
    ----------
    name : str
    fired : bool
        Whether its condition holds; a rule that is not set never fires.
    reason : str
        One sentence for people.
    set : bool
        Whether the campaign has the rule.
    value, threshold : float or None
        The figure that it looks at, and what that is held against; the figure is given without a rule too.
    """

    name: str
    fired: bool
    reason: str
    set: bool = True
    value: float | None = None
    threshold: float | None = None
