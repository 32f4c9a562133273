"""The page of a campaign: where it stands, why it stopped, what to do, and its rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra.database.rounds import Round
from tasks.campaign import Campaign
from tasks.champion import was_promoted
from tasks.measure import best_estimates
from tasks.report.page import Page, Section, Table
from tasks.report.quality_parts import forecast
from tasks.report.rule_parts import stop_rules
from tasks.report.state import advice, next_batch, state_sentence
from tasks.report.words import MISSING, between, count, known, measure_words, money, number, signed
from tasks.targets import headline

if TYPE_CHECKING:
    from infra.database.money import Spent

LAST = 30


def campaign_page(
    rounds: Sequence[Round], campaign: Campaign, links: Mapping[str, str], spent: Sequence[Spent] = ()
) -> Page:
    """Gather what is told of a campaign up to its newest round.

    Parameters
    ----------
    rounds
        Oldest first, at least one; the last is the newest that is told.
    spent
        What was paid so far.
    """
    newest = rounds[-1]
    measures = newest.measures or {}
    told, commands = advice(newest)
    return Page(
        title=f"{campaign.name}: {newest.state} at round {newest.number}",
        state=state_sentence(measures, campaign),
        reason=newest.reason or "",
        advice=told,
        commands=commands,
        links=links,
        sections=(
            _rounds(rounds, campaign),
            forecast(measures, campaign),
            stop_rules(measures),
            _spent(spent, campaign),
        ),
    )


def _rounds(rounds: Sequence[Round], campaign: Campaign) -> Section:
    measure = measure_words(headline(campaign))
    head = (
        "round", "state", "labels", measure, "95 % interval", "champion", "gain expected of its batch",
        f"spent ({campaign.budget.currency})",
    )  # fmt: skip
    rows = tuple(_row(one, campaign) for one in rounds[-LAST:])
    return Section("Rounds", tables=(Table(head, rows[::-1], more=max(0, len(rounds) - LAST)),))


def _row(round_: Round, campaign: Campaign) -> tuple[str, ...]:
    measures = round_.measures or {}
    found = best_estimates(measures).get(headline(campaign))
    value, interval = (MISSING, MISSING)
    if found is not None:
        value, interval = number(found.value), between(found.low, found.high)
    ahead: Mapping[str, Any] = next_batch(measures) or {}
    spent = measures.get("balance", {}).get("spent_micro")
    return (
        str(round_.number),
        round_.state,
        count(measures.get("counts", {}).get("labels")),
        value,
        interval,
        "became it" if was_promoted(measures) else "",
        signed(ahead.get("gain")),
        number(spent / 1e6, 2) if known(spent) else MISSING,
    )


def _spent(spent: Sequence[Spent], campaign: Campaign) -> Section:
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for one in spent:
        answers, micro = totals.get((one.vendor, kind_of(one)), (0, 0))
        totals[one.vendor, kind_of(one)] = (answers + one.answers, micro + one.spent_micro)
    rows = tuple(
        (vendor, kind, count(answers), money(micro, campaign.budget.currency))
        for (vendor, kind), (answers, micro) in sorted(totals.items())
    )
    return Section("What it cost", tables=(Table(("vendor", "for", "answers", "paid"), rows),))


def kind_of(one: Spent) -> str:
    """Name what was paid for: further answers to one item are overlap, whatever they are part of."""
    return "overlap" if one.further else one.kind
