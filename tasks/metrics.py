"""The numbers that MLflow shows of a round and of its campaign, as docs/rounds-in-mlflow.md explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra.database import campaigns
from infra.database.rounds import Round
from tasks.campaign import Campaign
from tasks.champion import was_promoted
from tasks.measure import best_estimates, estimates_of
from tasks.report.quality_parts import deciding_first
from tasks.report.state import expected, next_batch
from tasks.report.words import known, measure_words, number
from tasks.targets import headline, targets_of

if TYPE_CHECKING:
    from tasks.evaluation import Estimate

Measures = Mapping[str, Any]
ENDS = ("low", "high")


def headline_estimates(measures: Measures, campaign: Campaign) -> dict[str, dict[str, Estimate]]:
    """Give the campaign's first measure with its interval, by group; the group that decides comes first.

    It is the first metric of the run, with which the comparison of runs begins.
    """
    name = headline(campaign)
    found = {
        group: estimates_of(values) for group, values in deciding_first(measures.get("estimates", {})).items()
    }
    return {
        group: {name: values[name]}
        for group, values in found.items()
        if name in values and known(values[name].value)
    }


def metrics(round_: Round, campaign: Campaign, picks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give the round's other numbers, what is looked at first in front; one that is not known is left out."""
    measures = round_.measures or {}
    counts = measures.get("counts", {})
    values: dict[str, Any] = {
        "labels": counts.get("labels"),
        "labels_trained": counts.get("trained"),
        "labels_audit": counts.get("audit"),
    }
    values |= _forecast(measures) | _money(measures, campaign, len(picks)) | _decisions(measures)
    values |= _measured(measures, campaign)
    values |= {
        "batch/items": len(picks),
        "batch/audit": sum(pick["kind"] == "audit" for pick in picks),
        "batch/explored": sum(pick["kind"] == "work" and "probability" in pick["reason"] for pick in picks),
    }
    values |= _pool_and_batch(measures) | _model(measures)
    weak: dict[str, float] = measures.get("weak", {}).get("metrics", {})
    return _known(values | weak)


def _measured(measures: Measures, campaign: Campaign) -> dict[str, Any]:
    """Give the measures beside the first; their intervals are in the report, to keep the table short."""
    first, order = headline(campaign), targets_of(campaign).metrics
    return {
        f"{group}/{name}": values[name].get("value")
        for group, values in deciding_first(measures.get("estimates", {})).items()
        for name in order
        if name in values and name != first
    }


def _known(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _money(measures: Measures, campaign: Campaign, batch: int) -> dict[str, Any]:
    """Give what it was when the round was measured, and what its batch holds, however late it is tracked."""
    if "balance" not in measures:
        return {}
    balance = campaigns.Balance(**measures["balance"])
    held = balance.held_micro + campaign.cost_micro(batch)
    found = {"money/spent": balance.spent_micro / 1e6, "money/held": held / 1e6}
    limit = campaign.budget.money_micro
    return found if limit is None else found | {"money/left": (limit - balance.spent_micro - held) / 1e6}


def _forecast(measures: Measures) -> dict[str, Any]:
    """Give what the next batch promises, and what the rest of the budget would reach."""
    found: dict[str, Any] = {}
    if (ahead := next_batch(measures)) is not None:
        found["forecast/next_gain"] = ahead.get("gain")
        found |= {f"forecast/next_gain_{end}": ahead.get(f"gain_{end}") for end in ENDS}
        found["forecast/next_cost"] = ahead.get("cost")
    points = (measures.get("forecast") or {}).get("points") or []
    rest = next((one for one in points if one.get("for") == "rest of the budget"), None)
    if rest is not None:
        found["forecast/rest_value"] = rest.get("value")
        found |= {f"forecast/rest_value_{end}": rest.get(end) for end in ENDS}
    saved = measures.get("savings") or {}
    return found | {
        f"savings/labels{end}": saved.get(name) for end, name in _NAMED if saved.get("labels") is not None
    }


_NAMED = (("", "labels"), ("_low", "low"), ("_high", "high"))


def _decisions(measures: Measures) -> dict[str, Any]:
    """Give the interval that stop rules read, how many fire, the promotion, and the guards."""
    found: dict[str, Any] = {}
    for name, one in ((measures.get("decision") or {}).get("metrics") or {}).items():
        found |= {f"decision/{name}_{end}": one.get(end) for end in ENDS}
    signals = measures.get("signals", [])
    if signals:
        found["stop/fired"] = sum(bool(one["fired"]) for one in signals)
    stability = measures.get("stability") or {}
    found |= {f"stop/{name}": stability.get(name) for name in ("kappa", "uncertainty")}
    promotion = measures.get("promotion") or {}
    if promotion:
        found["promotion/promoted"] = was_promoted(dict(measures))
        found |= {f"promotion/{name}": promotion.get(name) for name in ("difference", "p")}
        found |= {f"promotion/difference_{end}": promotion.get(end) for end in ENDS}
    if measures.get("guards"):
        found["guards/tripped"] = sum(bool(one.get("tripped")) for one in measures["guards"])
    return found


def _pool_and_batch(measures: Measures) -> dict[str, Any]:
    """Give the pool, how far it moved, and what share of the batch other strategies would have chosen."""
    pool, given = measures.get("pool"), measures.get("predictions")
    found: dict[str, Any] = {}
    if pool:
        found |= {"pool/items": pool["items"], "pool/free": pool["free"]}
        found["pool/set_aside"] = sum(one["count"] for one in pool["set_aside"])
    if given:
        found |= {"predictions/items": given["rows"], "predictions/missing": given["missing"]}
    drift = measures.get("drift") or {}
    found |= {f"drift/{name}": drift.get(name) for name in ("psi_max", "auc", "auc_low", "auc_high")}
    return found | {f"rivals/{name}": share for name, share in (measures.get("rivals") or {}).items()}


def _model(measures: Measures) -> dict[str, Any]:
    """Give what chose and calibrated the model: figures on rows that it had not seen."""
    figures = measures.get("model") or {}
    found = {
        f"model/{kind}_log_loss": one.get("log_loss") for kind, one in figures.get("candidates", {}).items()
    }
    calibration = figures.get("calibration") or {}
    return found | {
        f"calibration/ece_{when}": (calibration.get(when) or {}).get("ece") for when in ("before", "after")
    }


def curves(measures: Measures, campaign: Campaign) -> dict[str, dict[str, Any]]:
    """Give the round's point on the curves of the campaign: group -> name -> number or estimate."""
    quality: dict[str, Any] = {}
    for group, values in headline_estimates(measures, campaign).items():
        quality |= {f"{group}/{name}": one for name, one in values.items()}
    signals: dict[str, Any] = {}
    for one in measures.get("signals", []):
        if one.get("value") is not None:  # a threshold alone is a line with nothing to compare
            signals |= {one["name"]: one["value"], f"{one['name']}_threshold": one.get("threshold")}
    ahead = {name.split("/")[1]: value for name, value in _forecast(measures).items() if "forecast" in name}
    balance = measures.get("balance") or {}
    money = {name: balance.get(f"{name}_micro") for name in ("spent", "held")}
    return {
        "curve": quality | _known(_measured(measures, campaign)),
        "forecast": _known(ahead),
        "stop": _known(signals),
        "money": {name: amount / 1e6 for name, amount in money.items() if amount is not None},
    }


def charts(measures: Measures, campaign: Campaign) -> list[list[str]]:
    """Give the charts of the campaign's curves: group and name of what is drawn together."""
    first = next(iter(headline_estimates(measures, campaign)), "audit")
    found = [
        [f"curve {first}/{headline(campaign)}{end}" for end in ("", "_low", "_high")],
        [f"forecast next_gain{end}" for end in ("", "_low", "_high")],
        ["money spent", "money held"],
    ]
    shown = signals_to_show(measures)
    return found + [[f"stop {one['name']}", f"stop {one['name']}_threshold"] for one in shown]


def signals_to_show(measures: Measures) -> list[Mapping[str, Any]]:
    """Give the stop signals to draw: those of the model first, then the caps that the campaign has."""
    from tasks.evaluation.stop import SOFT

    shown = [
        one
        for one in measures.get("signals", [])
        if one.get("value") is not None and (one["name"] in SOFT or one.get("set", True))
    ]
    return sorted(shown, key=lambda one: one["name"] not in SOFT)


def table_tags(measures: Measures, campaign: Campaign) -> dict[str, object]:
    """Give the cells of the table of rounds; columns show some twelve letters, so the number comes first."""
    name = headline(campaign)
    found = best_estimates(dict(measures)).get(name)
    told: dict[str, object] = {}
    if found is not None and known(found.value):
        told["measured"] = f"{number(found.value)} {measure_words(name)}"
        told["interval"] = f"{number(found.low)}-{number(found.high)}"
    if (gain := expected(measures)) is not None:
        told["next_batch"] = gain
    return told


def decision_tags(measures: Measures) -> dict[str, object]:
    """Give the tags of the model's version: whether it became champion, by which rule, and the numbers."""
    one = measures.get("promotion") or {}
    if not one:
        return {}
    against = one.get("champion")
    found: dict[str, object | None] = {
        "promotion": "promoted" if one.get("promoted") else "not promoted",
        "promotion_rule": one.get("rule"),
        "promotion_against": None if against is None else f"round {against}",
        "promotion_difference": _rounded(one.get("difference")),
        "promotion_p": _rounded(one.get("p")),
        "promotion_level": one.get("level"),
        "promotion_sentence": one.get("sentence"),
    }
    if one.get("low") is not None and one.get("high") is not None:
        found["promotion_interval"] = f"{_rounded(one['low'])} to {_rounded(one['high'])}"
    if one.get("n") is not None:
        found["promotion_items"] = f"won {one.get('won')}, lost {one.get('lost')} of {one['n']}"
    return {name: value for name, value in found.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
