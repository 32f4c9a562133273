"""Ask all rules, and say whether they stop the campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.evaluation.stop import caps, soft
from tasks.evaluation.stop.evidence import Evidence, StopSignal
from tasks.evaluation.stop.rules import HARD, SOFT, StopRules


def decide_stop(rules: StopRules, evidence: Evidence) -> tuple[StopSignal, ...]:
    """Ask every stop rule.

    Returns
    -------
    tuple of StopSignal
        One for each of `NAMES`, in that order, whether the rule is set or not. Whether the campaign stops by them
        says `stops`.
    """
    return (
        caps.budget_labels(evidence.budget),
        caps.budget_money(evidence.budget),
        caps.max_rounds(rules.max_rounds, evidence.history),
        caps.until(rules.until, evidence.today),
        caps.pool_exhausted(evidence.items_left),
        soft.target(rules.target, evidence),
        soft.plateau(rules.plateau, evidence),
        soft.stable(rules.stable, evidence.history),
        soft.uncertainty(rules.uncertainty, evidence.history),
    )


def stops(
    rules: StopRules, signals: Sequence[StopSignal], *, campaign: str = "CAMPAIGN", resumed: bool = False
) -> StopSignal | None:
    """Tell which signal stops the campaign; None to go on.

    Parameters
    ----------
    campaign : str
        Its name, for the sentence.
    resumed : bool
        A person said to go on: only hard caps stop.

    Returns
    -------
    StopSignal or None
        With what to do in its sentence. Where all soft rules that are set had to fire, one that tells of all.
    """
    by_name = {signal.name: signal for signal in signals}
    for name in HARD:
        if name in by_name and by_name[name].fired:
            return by_name[name]
    if resumed:
        return None
    fired = [by_name[name] for name in SOFT if name in by_name and by_name[name].fired]
    if not fired or (rules.combine == "all" and {one.name for one in fired} != set(rules.soft)):
        return None
    chosen = fired if rules.combine == "all" else fired[:1]
    said = "; ".join([chosen[0].reason.rstrip("."), *(_small(one.reason.rstrip(".")) for one in chosen[1:])])
    reason = f"{said}; `labelrounds resume {campaign}` goes on."
    return replace(chosen[0], name="+".join(one.name for one in chosen), reason=reason)


def read_signals(stored: Sequence[Mapping[str, Any]]) -> tuple[StopSignal, ...]:
    """Read signals as a round keeps them; those of an earlier version have no figures."""
    return tuple(StopSignal(**one) for one in stored)


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
