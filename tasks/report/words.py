"""Numbers and names as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MISSING = "-"


_MEASURES = {
    "auc": "AUC",
    "ece": "calibration error (ECE)",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
}


def measure_words(name: str) -> str:
    """Name a measure: ``macro_f1`` is macro F1, ``log_loss`` log loss."""
    return _MEASURES.get(name, name.replace("_", " "))


def at_start(text: str) -> str:
    """Begin a sentence with it."""
    return text[:1].upper() + text[1:]


def number(value: Any, digits: int = 3) -> str:
    """Write a number with so many decimals; a dash where it is not known."""
    return f"{value:,.{digits}f}" if known(value) else MISSING


def signed(value: Any, digits: int = 3) -> str:
    """Write a difference with its sign."""
    return f"{value:+,.{digits}f}" if known(value) else MISSING


def count(value: Any) -> str:
    """Write a whole number with thousands apart."""
    return f"{value:,.0f}" if known(value) else MISSING


def percent(share: Any) -> str:
    """Write a share as per cent."""
    return f"{100 * share:.0f} %" if known(share) else MISSING


def between(low: Any, high: Any, write: Any = number) -> str:
    """Write an interval; a dash where both ends are not known."""
    return f"{write(low)} to {write(high)}" if known(low) or known(high) else MISSING


def p_value(value: Any) -> str:
    """Write a p-value; small ones by their order alone."""
    if not known(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def known(value: Any) -> bool:
    """Tell whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def money(micro: float, currency: str) -> str:
    """Write an amount that is given in micro units of its currency."""
    return f"{micro / 1e6:,.2f} {currency}"


def model_words(figures: Mapping[str, Any]) -> str | None:
    """Say what was trained: a kind, or of a model for each class how many there are of each kind."""
    kinds = figures.get("kinds")
    if not kinds:
        return figures.get("kind")
    return f"{figures['kind']} ({', '.join(f'{n} {kind}' for kind, n in kinds.items())})"
