"""What a campaign says of when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from tasks.errors import UsageError

HARD = ("budget_labels", "budget_money", "max_rounds", "date", "pool_exhausted")
SOFT = ("target", "plateau", "stable", "uncertainty")
NAMES = HARD + SOFT
"""Names of all signals, in their order. A hard one always stops alone; soft ones any, or all that are set."""


@dataclass(frozen=True)
class Target:
    """Stop when a metric is good enough with confidence: the worse end of its interval reaches `value`."""

    metric: str
    value: float


@dataclass(frozen=True)
class Plateau:
    """Stop when the next batch is not worth it, by its forecast, in `rounds` rounds in a row.

    Attributes
    ----------
    metric : str
    rounds : int
    min_gain : float or None
        The upper end of the forecast gain is below it.
    worth : float or None
        Money that .01 of the metric is worth: the expected gain is worth less than the batch costs. It takes the
        place of `min_gain`.

    Raises
    ------
    UsageError
        Neither `min_gain` nor `worth`, or fewer than one round.
    """

    metric: str
    rounds: int = 2
    min_gain: float | None = None
    worth: float | None = None

    def __post_init__(self) -> None:
        if self.min_gain is None and self.worth is None:
            raise UsageError("A plateau needs min_gain, or worth: what .01 of the metric is worth.")
        if self.rounds < 1:
            raise UsageError(f"A plateau needs at least one round, not {self.rounds}.")


@dataclass(frozen=True)
class Stable:
    """Stop when the predictions of successive models agree: each kappa of the last `rounds` reaches `kappa`."""

    kappa: float = 0.99
    rounds: int = 3


@dataclass(frozen=True)
class Uncertainty:
    """Stop when the model's mean uncertainty over the pool falls below `below`."""

    below: float


@dataclass(frozen=True)
class StopRules:
    """A campaign's stop rules; None = not set.

    Attributes
    ----------
    until : date or None
        The last day (UTC) on which a round may choose a batch.
    combine : {"any", "all"}
        Whether any one of the soft rules stops, or only all that are set together.
    """

    target: Target | None = None
    plateau: Plateau | None = None
    max_rounds: int | None = None
    stable: Stable | None = None
    uncertainty: Uncertainty | None = None
    until: date | None = None
    combine: Literal["any", "all"] = "any"

    @property
    def soft(self) -> tuple[str, ...]:
        """Names of the soft rules that are set."""
        return tuple(name for name in SOFT if getattr(self, name) is not None)
