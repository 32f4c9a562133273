"""All figures of a campaign's money as one document: what was spent on what, and what the rest of it buys."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from infra.database import labels, rounds
from infra.database import money as ledger
from infra.database.money import Bought, Burn, Owed, Spent
from tasks import money as pure
from tasks.campaign import Campaign

if TYPE_CHECKING:
    import sqlalchemy as sa

    from infra.database.campaigns import CampaignRow


def figures(engine: sa.Engine, row: CampaignRow, today: date) -> dict[str, Any]:
    """Give all figures of a campaign's money, in units of its currency.

    Parameters
    ----------
    today
        Up to which the pace counts.

    Returns
    -------
    dict
        As ``labelrounds money --json`` prints it; docs/money.md says what each figure means.
    """
    spec = Campaign.model_validate(row.spec)
    spent, bought = ledger.spent(engine, row.campaign_id), ledger.bought(engine, row.campaign_id)
    balance = pure.Balance(spec.budget.money_micro, row.spent_micro, row.held_micro)
    days, by_round = (
        ledger.burn_by_day(engine, row.campaign_id),
        ledger.burn_by_round(engine, row.campaign_id),
    )
    open_round = rounds.unfinished(engine, row.campaign_id)
    pace = pure.pace(balance, days, by_round, today, None if open_round is None else open_round.number)
    measured = [one.measures for one in rounds.rounds_of(engine, row.name) if one.measures]
    newest: dict[str, Any] = (measured[-1] or {}) if measured else {}
    return {
        "campaign": row.name,
        "currency": spec.budget.currency,
        **{name: _units(getattr(balance, f"{name}_micro")) for name in ("budget", "spent", "held", "left")},
        "labels": sum(one.labels for one in bought),
        "answers": sum(one.answers for one in spent),
        "cost_per_label": _units(pure.cost_per_label(balance.spent_micro, bought)),
        "cost_per_correct_label": _cost(pure.cost_per_correct_label(balance.spent_micro, bought)),
        "further": _part(pure.further(spent), balance.spent_micro),
        "by_kind": {kind: _part(micro, balance.spent_micro) for kind, micro in pure.by_kind(spent).items()},
        "by_round": _round_rows(spent, bought),
        "by_vendor": _vendor_rows(
            spent, ledger.owed(engine, row.campaign_id), labels.gold_results(engine, row.campaign_id)
        ),
        "burn_down": {
            "by_day": [_burn(one, balance.budget_micro) for one in days],
            "by_round": [_burn(one, balance.budget_micro) for one in by_round],
        },
        "pace": None if pace is None else _pace(pace),
        "forecast": _rest_of_budget(newest),
        "savings": newest.get("savings"),
    }


def _units(micro: float | None) -> float | None:
    return None if micro is None else micro / 1e6


def _part(micro: int, whole: int) -> dict[str, Any]:
    return {"spent": _units(micro), "share": pure.share(micro, whole)}


def _cost(found: pure.Cost | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return asdict(found) | {name: _units(getattr(found, name)) for name in ("value", "low", "high")}


def _burn(one: Burn, budget_micro: int | None) -> dict[str, Any]:
    left = None if budget_micro is None else budget_micro - one.spent_micro - one.held_micro
    return {
        "day": one.day.isoformat(),
        "round": one.round,
        "spent": _units(one.spent_micro),
        "held": _units(one.held_micro),
        "left": _units(left),
    }


def _pace(pace: pure.Pace) -> dict[str, Any]:
    return {
        "per_day": _units(pace.per_day_micro),
        "days": pace.days,
        "ends": None if pace.ends is None else pace.ends.isoformat(),
        "per_round": _units(pace.per_round_micro),
        "rounds_left": pace.rounds_left,
    }


def _round_rows(spent: list[Spent], bought: list[Bought]) -> list[dict[str, Any]]:
    kinds, found = pure.by_round_and_kind(spent), []
    for number in sorted({row.round for row in spent} | {row.round for row in bought}):
        labels = [row for row in bought if row.round == number]
        whole = sum(kinds.get((number, kind), 0) for kind in pure.KINDS)
        found.append(
            {
                "round": number,
                "labels": sum(row.labels for row in labels),
                **{kind: _units(kinds.get((number, kind), 0)) for kind in pure.KINDS},
                "spent": _units(whole),
                "further": _units(pure.further([row for row in spent if row.round == number])),
                "cost_per_label": _units(pure.cost_per_label(whole, labels)),
                "cost_per_correct_label": _cost(pure.cost_per_correct_label(whole, labels)),
            }
        )
    return found


def _vendor_rows(
    spent: list[Spent], owed: list[Owed], gold: dict[str, tuple[int, int]]
) -> list[dict[str, Any]]:
    found = []
    for vendor, micro in sorted(pure.by_vendor(spent).items()):
        answers = sum(row.answers for row in spent if row.vendor == vendor)
        right, wrong = gold.get(vendor, (0, 0))
        per_answer = micro / answers if answers else 0.0
        found.append(
            {
                "vendor": vendor,
                "answers": answers,
                "spent": _units(micro),
                "price": _units(per_answer),
                "cost_per_correct_answer": _cost(
                    pure.cost_per_correct_answer(per_answer, right, right + wrong)
                ),
                "owed": [
                    {
                        "currency": row.currency,
                        "price": _units(row.price_micro),
                        "rate": float(row.rate),
                        "answers": row.answers,
                        "amount": _units(row.own_micro),
                        "spent": _units(row.spent_micro),
                    }
                    for row in owed
                    if row.vendor == vendor
                ],
            }
        )
    return found


def _rest_of_budget(measures: dict[str, Any]) -> dict[str, Any] | None:
    """Give what the newest round expects of the rest of the budget; its reason where it cannot say."""
    forecast = measures.get("forecast")
    if not isinstance(forecast, dict):
        return None
    for point in forecast.get("points", ()):
        if point.get("for") == "rest of the budget":
            return {"metric": forecast.get("metric"), "level": forecast.get("level"), **point}
    return {"why_not": forecast.get("why_not") or "the rest of the budget was not asked about"}
