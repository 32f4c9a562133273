"""What the next labels would bring, from what the newest round gathered."""

from __future__ import annotations

from typing import Any

from flows import console
from flows.names import campaign_name
from infra.database import rounds
from infra.database.engine import migrate
from infra.settings import Settings
from infra.workplace import Workplace
from tasks.errors import NotFound
from tasks.foresee import forecast_of
from tasks.outputs import campaign_of


def forecast_campaign(settings: Settings, campaign: str, labels: int | None) -> dict[str, Any]:
    """Forecast a campaign's measure; trains and buys nothing.

    Parameters
    ----------
    campaign
        File or name.
    labels
        Further labels to forecast for, beside the next batch and the rest of the budget.

    Returns
    -------
    dict
        ``campaign``, ``round``, ``currency``, and what `tasks.foresee.forecast_of` gives.

    Raises
    ------
    NotFound
        No round of the campaign was measured yet.
    """
    place = Workplace(settings)
    try:
        migrate(place.engine)
        name = campaign_name(campaign)
        measured = [
            one for one in rounds.rounds_of(place.engine, name) if "forecast_evidence" in (one.measures or {})
        ]
    finally:
        place.close()
    if not measured:
        raise NotFound(
            f"campaign {name}: no round was measured yet; `labelrounds round {name}` runs one, and a forecast needs "
            "audit labels of an earlier one"
        )
    newest = measured[-1]
    spec, measures = campaign_of(newest), newest.measures or {}
    found = forecast_of(spec, measures, measures["forecast_evidence"], labels)
    return {"campaign": name, "round": newest.number, "currency": spec.budget.currency, **found}


def show(found: dict[str, Any]) -> None:
    """Print the table."""
    head = f"{found['campaign']}, round {found['round']}"
    if "why_not" in found:
        console.stdout().print(f"{head}: no forecast. {found['why_not']}")
        return
    metric, now = found["metric"].replace("_", " "), found["now"]
    rows = [{"after": "now", "labels": found["labels"], "cost": "", metric: _span(now), "gain": ""}]
    for point in found["points"]:
        gain = {"value": point["gain"], "low": point["gain_low"], "high": point["gain_high"]}
        rows.append(
            {
                "after": point["for"],
                "labels": point["labels"],
                "cost": f"{point['cost']:.2f} {found['currency']}",
                metric: _span(point),
                "gain": _span(gain, "+"),
            }
        )
    console.show_rows(f"{head}: {metric}, with intervals of {found['level']:.0%}", rows)
    console.stdout().print(f"From {found['method']}.")


def _span(one: dict[str, float], sign: str = "") -> str:
    return f"{one['value']:{sign}.4f} ({one['low']:{sign}.4f} to {one['high']:{sign}.4f})"
