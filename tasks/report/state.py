"""Where a campaign stands in one sentence, and what a person does now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.database.rounds import Round
from tasks.campaign import Campaign
from tasks.measure import best_estimates
from tasks.report.words import at_start, between, count, known, measure_words, number, signed
from tasks.targets import headline


def state_sentence(measures: Mapping[str, Any], campaign: Campaign) -> str:
    """Say how good the model is, with how many labels, and what the next batch promises."""
    name = headline(campaign)
    labels = f"{count(measures.get('counts', {}).get('labels', 0))} labels"
    found = best_estimates(dict(measures)).get(name)
    if found is None or not known(found.value):
        return f"Not measured yet, with {labels}."
    told = f"{at_start(measure_words(name))} {number(found.value)}"
    told += f" (95 % interval {between(found.low, found.high)}) with {labels}"
    ahead, gain = next_batch(measures), expected(measures)
    if ahead is None or gain is None:
        return f"{told}."
    cost = ahead.get("cost")
    price = f" for {number(cost, 2)} {campaign.budget.currency}" if known(cost) else ""
    return f"{told}; the next batch should bring {gain}{price}."


def next_batch(measures: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the forecast of the next batch; None where there is none."""
    points = (measures.get("forecast") or {}).get("points") or []
    return next((one for one in points if one.get("for") == "next batch"), points[0] if points else None)


def expected(measures: Mapping[str, Any]) -> str | None:
    """Write the gain that the next batch should bring: +0.004 (90 %: -0.002 to +0.010)."""
    ahead = next_batch(measures)
    if ahead is None or not known(ahead.get("gain")):
        return None
    return f"{signed(ahead['gain'])} (90 %: {between(ahead.get('gain_low'), ahead.get('gain_high'), signed)})"


def advice(round_: Round) -> tuple[str, dict[str, str]]:
    """Say what a person does now: a sentence, and commands with what they do."""
    name = round_.campaign
    go_on = f"labelrounds round {name}"
    tripped = [
        one["name"]
        for one in (round_.measures or {}).get("guards", [])
        if one.get("tripped") and not one.get("overridden")
    ]
    if round_.state == "stopped":
        told = "Take the labels, or raise the budget or change the stop rules in the campaign file to go on."
        return told, {
            f"labelrounds labels export {name}": "writes the labels",
            f"labelrounds resume {name}": "goes on although a rule says stop",
        }
    if round_.state == "failed":
        return "Nothing was spent. Mend what the reason names.", {go_on: "tries again"}
    if tripped and round_.state not in ("published", "closed"):
        overrides = " ".join(f"--override {guard}" for guard in tripped)
        told = "Nothing was published: a guard rail holds the round. Look at what it says below."
        return told, {f"{go_on} {overrides}": "goes on if all is right as it is"}
    if round_.state == "published":
        return "The vendors have the batch.", {f"labelrounds collect {name}": "takes in what they answered"}
    if round_.state == "closed":
        return "All answers are in.", {go_on: "measures what they brought and chooses the next batch"}
    return "The round is under way.", {go_on: "goes on where it is"}
