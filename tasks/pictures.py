"""The pictures of a round and of its campaign, drawn from what the database knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import campaigns, money, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.champion import was_promoted
from tasks.measure import best_estimates
from tasks.metrics import signals_to_show
from tasks.report.campaign_page import kind_of
from tasks.targets import headline, targets_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation.plots import Curve


def round_pictures(round_: Round, campaign: Campaign, picks: list[dict[str, Any]]) -> dict[str, Figure]:
    """Draw how good the model is, where the batch was cut off the pool's scores, drift, and rivals.

    Parameters
    ----------
    picks
        Rows of the batch, as `infra.database.batches.batch_of` gives them.
    """
    from tasks.evaluation import plots

    measures = round_.measures or {}
    found: dict[str, Figure] = {}
    for group, arrays in measures.get("pictures", {}).items():
        found |= targets_of(campaign).figures(group, arrays)
    for group, values in measures.get("by_class", {}).items():
        table = {name: triples(values.get(name) or []) for name in ("precision", "recall")}
        items = (measures.get("estimates", {}).get(group) or {}).get(headline(campaign), {}).get("n")
        found[f"classes_{group}"] = plots.class_bars(table, campaign.classes, items=items)
    found |= _scores(round_, campaign, picks)
    drift = measures.get("drift") or {}
    if drift.get("psi"):
        found["drift"] = plots.drift_bars({name: number(one) for name, one in drift["psi"].items()})
    if measures.get("rivals"):
        shares = {name: number(one) for name, one in measures["rivals"].items()}
        chosen = sum(pick["kind"] == "work" for pick in picks)
        found["rivals"] = plots.overlap_bars(shares, batch=chosen or None)
    return found


def _scores(round_: Round, campaign: Campaign, picks: list[dict[str, Any]]) -> dict[str, Figure]:
    from tasks.evaluation import plots

    pool = (round_.measures or {}).get("pool")
    scores = [pick["score"] for pick in picks if pick["score"] is not None]
    if not pool or not pool["scores"] or not scores:
        return {}
    measure = pool.get("measure", campaign.strategy.title)
    # Where a second stage chooses, the batch is no cut through the first one's scores.
    ranked = round_.model is not None and measure == campaign.strategy.title
    cut = min(scores) if ranked else None
    figure = plots.score_histogram(np.array(pool["scores"]), cut, measure=measure, batch=len(scores))
    return {"scores": figure}


def campaign_pictures(workplace: Workplace, round_: Round, campaign: Campaign) -> dict[str, Figure]:
    """Draw the learning curve with its forecast, stop signals, money, classes, the champion's calibration."""
    from tasks.evaluation import plots

    history = [
        one for one in rounds.rounds_of(workplace.engine, campaign.name) if one.number <= round_.number
    ]
    found: dict[str, Figure] = {}
    if (curve := learning_curve(history, campaign)) is not None:
        found["learning_curve"] = _learning(curve, round_, campaign)
    found |= champion_calibration(history, campaign)
    signals = signal_history(history)
    if signals:
        found["stop_signals"] = plots.signal_panels(signals)
    brought = campaigns.labels_by_round(workplace.engine, round_.campaign_id)
    if brought:
        counts, numbers = _table(brought, campaign.classes)
        found["class_balance"] = plots.class_balance(counts, campaign.classes, rounds=numbers)
    return found | _money(workplace, round_, campaign)


def learning_curve(history: Sequence[Round], campaign: Campaign) -> Curve | None:
    """Read the campaign's first measure in its rounds; None when no round was measured."""
    from tasks.evaluation.plots import Curve

    points = []
    for one in history:
        known = best_estimates(one.measures or {}).get(headline(campaign))
        if one.measures and known is not None:
            points.append((one.measures["counts"]["labels"], known.value, known.low, known.high))
    if not points:
        return None
    labels, value, low, high = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    return Curve(labels, value, low, high, name=campaign.strategy.title)


def forecast_curve(measures: Mapping[str, Any], measure: str) -> Curve | None:
    """Read the forecast of a measure as a fan; None where there is none, or one of another measure."""
    from tasks.evaluation.plots import Curve

    found = measures.get("forecast") or {}
    if found.get("metric", measure) != measure:
        return None
    by_labels = {
        one["labels"]: [number(one.get(name)) for name in ("value", "low", "high")]
        for one in [*(found.get("curve") or []), *(found.get("points") or [])]
    }
    if not by_labels:
        return None
    value, low, high = np.array([by_labels[at] for at in sorted(by_labels)], dtype=float).T
    return Curve(np.array(sorted(by_labels), dtype=float), value, low, high, name="forecast")


def _learning(curve: Curve, round_: Round, campaign: Campaign) -> Figure:
    from tasks.evaluation import plots

    measures = round_.measures or {}
    target = campaign.stop.target
    aimed = target is not None and (target.metric or headline(campaign)) == headline(campaign)
    points = (measures.get("forecast") or {}).get("points") or []
    measure = headline(campaign).replace("_", " ")
    return plots.learning_curve(
        curve,
        measure=measure,
        forecast=forecast_curve(measures, headline(campaign)),
        wanted=[(float(one["labels"]), str(one.get("for", ""))) for one in points],
        target=target.value if target is not None and aimed else None,
        title=f"{campaign.name}: {measure} by labels",
    )


def champion_calibration(history: Sequence[Round], campaign: Campaign) -> dict[str, Figure]:
    """Draw the reliability of the newest champion, where it was measured on most items."""
    winners = [one for one in history if was_promoted(one.measures or {})]
    if not winners:
        return {}
    measures = winners[-1].measures or {}
    pictures, estimates = measures.get("pictures", {}), measures.get("estimates", {})
    groups = [group for group in ("holdout", "audit") if group in pictures]
    if not groups:
        return {}
    from tasks.evaluation import plots

    bins = (np.array(column, dtype=float) for column in pictures[groups[0]]["reliability"])
    ece = number((estimates.get(groups[0], {}).get("ece") or {}).get("value"))
    error = f": calibration error {ece:.3f}" if math.isfinite(ece) else ""
    title = f"Calibration of the champion, round {winners[-1].number}{error}"
    return {"calibration": plots.reliability_diagram(*bins, title=title)}


def signal_history(history: Sequence[Round]) -> dict[str, NDArray[np.float64]]:
    """Read the stop signals to show: name -> (r, 4), as `signal_panels` draws them."""
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for one in history:
        measures = one.measures or {}
        labels = float(measures.get("counts", {}).get("labels", math.nan))
        for signal in signals_to_show(measures):
            point = (labels, number(signal["value"]), number(signal.get("threshold")), float(signal["fired"]))
            rows.setdefault(signal["name"], []).append(point)
    last = [signal["name"] for signal in signals_to_show(history[-1].measures or {})] if history else []
    order = [*last, *(name for name in rows if name not in last)]
    return {name: np.array(rows[name]) for name in order}


def _money(workplace: Workplace, round_: Round, campaign: Campaign) -> dict[str, Figure]:
    from tasks.evaluation import plots

    spent = [one for one in money.spent(workplace.engine, round_.campaign_id) if one.round <= round_.number]
    if not spent:
        return {}
    limit = campaign.budget.money_micro
    budget = None if limit is None else limit / 1e6
    currency = campaign.budget.currency
    vendors, kinds = sorted({one.vendor for one in spent}), sorted({kind_of(one) for one in spent})
    by_vendor, numbers = _table([(one.round, one.vendor, one.spent_micro) for one in spent], vendors)
    by_kind, _ = _table([(one.round, kind_of(one), one.spent_micro) for one in spent], kinds)
    held = campaigns.balance(workplace.engine, round_.campaign_id).held_micro
    return {
        "spend": plots.spend(by_vendor / 1e6, vendors, rounds=numbers, budget=budget, currency=currency),
        "burn_down": plots.burn_down(
            by_kind / 1e6, kinds, rounds=numbers, budget=budget, held=held / 1e6, currency=currency
        ),
    }


def triples(column: Sequence[Mapping[str, Any] | None]) -> NDArray[np.float64]:
    """Read estimates as value and both ends, (n, 3); NaN where one is not known."""
    rows = [[number((one or {}).get(name)) for name in ("value", "low", "high")] for one in column]
    return np.array(rows, dtype=float).reshape(-1, 3)


def number(value: Any) -> float:
    """Read a number as it is stored: null is not known."""
    return math.nan if value is None else float(value)


def _table(rows: list[tuple[int, str, int]], columns: tuple[str, ...] | list[str]) -> tuple[Any, list[int]]:
    """Spread (round, column, amount) over a matrix (rounds, columns)."""
    numbers = sorted({number for number, _, _ in rows})
    matrix = np.zeros((len(numbers), len(columns)))
    for row, column, amount in rows:
        matrix[numbers.index(row), list(columns).index(column)] += amount
    return matrix, numbers
