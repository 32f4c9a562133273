"""How good, how fast and how dear each vendor is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.database import campaigns, labels, vendors
from tasks.errors import NotFound

if TYPE_CHECKING:
    from infra.workplace import Workplace
    from tasks.beliefs import Beliefs


def report(place: Workplace, campaign: str, days: float) -> list[dict[str, Any]]:
    """Measure the vendors of a campaign.

    Parameters
    ----------
    days
        How far back work counts; gold, agreement and accuracy are of the whole campaign.

    Returns
    -------
    list of dict
        One a vendor: what `vendor.report` tells it of its work in any campaign, and what we alone know: ``gold`` and
        ``agreement`` (rate, lower, upper, n; None where nothing was counted), ``accuracy`` (what the truth method
        believes of it) and ``confusion`` (what it takes for what, by gold and by the beliefs).
    """
    from tasks.beliefs import believe
    from tasks.campaign import Campaign

    row = campaigns.find(place.engine, campaign)
    spec = Campaign.model_validate(row.spec)
    beliefs = believe(place, row.campaign_id, spec)
    gold = labels.gold_results(place.engine, row.campaign_id)
    until = datetime.now(UTC)
    found = []
    for one in vendors.vendors_of(place.engine, row.campaign_id):
        known = vendors.find_vendor(place.engine, one.name)
        figures = vendors.figures(place.engine, one.vendor_id, until - timedelta(days=days), until)
        right, wrong = gold.get(one.name, (0, 0))
        quality = _quality(beliefs, one.vendor_id, spec.classes)
        found.append(
            {
                "vendor": one.name,
                "state": known.state,
                "reason": known.reason,
                **figures,
                "gold": rate(right, right + wrong),
                **quality,
            }
        )
    if not found:
        raise NotFound(f"campaign {campaign} has no vendors; they come with its first round")
    return found


def rate(right: int, n: int) -> dict[str, float] | None:
    """Give a share with its exact interval; None of nothing."""
    from tasks.truth import rates

    if n == 0:
        return None
    found = rates([right], [n])
    return {
        "rate": float(found.rate[0]),
        "lower": float(found.lower[0]),
        "upper": float(found.upper[0]),
        "n": n,
    }


def _quality(beliefs: Beliefs | None, vendor_id: int, classes: tuple[str, ...]) -> dict[str, Any]:
    """Compare a vendor's answers with what is believed of items that others answered too."""
    nothing: dict[str, Any] = {"agreement": None, "accuracy": None, "confusion": {}}
    if beliefs is None:
        return nothing
    rows = [row for row, one in enumerate(beliefs.sources) if one.vendor_id == vendor_id]
    if not rows:
        return nothing
    place, agrees, shared = beliefs.place, 0, 0
    confusion: dict[str, int] = {}
    for item, answers in beliefs.answers.items():
        label = beliefs.believed.labels[place[item]]
        others = any(answer.vendor_id != vendor_id for answer in answers)
        for answer in answers:
            if answer.vendor_id != vendor_id or not others:
                continue
            shared += 1
            agrees += answer.label == label
            if answer.label != label:
                pair = f"{label} -> {answer.label}"
                confusion[pair] = confusion.get(pair, 0) + 1
    worst = sorted(confusion.items(), key=lambda pair: (-pair[1], pair[0]))[: len(classes) * 2]
    accuracy = float(beliefs.believed.accuracy[rows].mean())
    return {"agreement": rate(agrees, shared), "accuracy": accuracy, "confusion": dict(worst)}


def amounts(earnings: dict[str, float]) -> str:
    """Write amounts by currency, as in ``12.50 EUR, 3.00 USD``."""
    return ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(earnings.items()))


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make lines for people."""

    def percent(part: dict[str, float] | None) -> str:
        if part is None:
            return ""
        return f"{part['rate']:.0%} ({part['lower']:.0%} to {part['upper']:.0%} of {part['n']})"

    def seconds(row: dict[str, Any], name: str) -> str:
        value = row["turnaround_s"][name]
        return "" if value is None else f"{value:,.0f} s"

    return [
        {
            "vendor": row["vendor"],
            "state": row["state"],
            "answered": row["answered"],
            "late": row["late"],
            "rejected": sum(row["rejected"].values()),
            "median": seconds(row, "p50"),
            "90 %": seconds(row, "p90"),
            "gold": percent(row["gold"]),
            "agreement": percent(row["agreement"]),
            "believed": "" if row["accuracy"] is None else f"{row['accuracy']:.0%}",
            "earned": amounts(row["earnings"]),
        }
        for row in rows
    ]
