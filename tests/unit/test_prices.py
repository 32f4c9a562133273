"""Prices in several currencies: exact, never below what is owed, and refused in one line when they are wrong."""

import contextlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.campaign import Campaign, parse_campaign
from tasks.campaign.prices import Price, Terms, read_exchange, read_price, terms
from tasks.errors import CampaignError

FILE = """\
name: spam
classes: [ham, spam]
pool: {uri: s3://mail/pool/, payload: [text]}
budget: {labels: 900, money: 100, currency: USD, exchange: {EUR: 1.08, JPY: 0.0064}}
batch: {size: 100}
vendors:
  - {name: acme, price: PRICE}
"""
rates = st.decimals("0.000000000001", 10**6, places=12)
amounts = st.decimals(0, 10**6, places=6)


def with_price(written, **replaced):
    text = FILE.replace("PRICE", written)
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse_campaign(text, "spam.yaml")


def mistake(written, **replaced):
    with pytest.raises(CampaignError) as found:
        with_price(written, **replaced)
    return str(found.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0.10", Terms(100_000, "USD", Decimal(1), 100_000)),
        ("0", Terms(0, "USD", Decimal(1), 0)),
        ("0.08 EUR", Terms(80_000, "EUR", Decimal("1.08"), 86_400)),
        ("'0.08 EUR'", Terms(80_000, "EUR", Decimal("1.08"), 86_400)),
        ("0.08 USD", Terms(80_000, "USD", Decimal(1), 80_000)),
        ("0.000001 EUR", Terms(1, "EUR", Decimal("1.08"), 2)),
        ("12 JPY", Terms(12_000_000, "JPY", Decimal("0.0064"), 76_800)),
        ("{classification: 0.05, multilabel: 0.12 EUR}", Terms(50_000, "USD", Decimal(1), 50_000)),
        ("{classification: 0.05 EUR}", Terms(50_000, "EUR", Decimal("1.08"), 54_000)),
    ],
)
def test_every_way_to_write_a_price(written, expected):
    campaign = with_price(written)
    assert campaign.terms_of(campaign.vendors[0]) == expected
    assert campaign.answer_price_micro == expected.price_micro
    assert Campaign.from_json(campaign.to_json()) == campaign


def test_a_task_has_its_own_price():
    text = FILE.replace("PRICE", "{multilabel: 0.12 EUR, classification: 1}") + "task: multilabel\n"
    campaign = parse_campaign(text, "spam.yaml")
    assert campaign.answer_price_micro == 129_600


def test_the_dearest_is_held_whatever_its_currency():
    text = (
        FILE.replace("PRICE", "10 JPY") + "  - {name: bolt, price: 0.06}\n  - {name: coda, price: 0.06 EUR}\n"
    )
    campaign = parse_campaign(text, "spam.yaml")
    assert campaign.answer_price_micro == 64_800
    assert campaign.cost_micro(100) == 100 * 64_800


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("0.08 GBP", "line 7: vendors[0].price: is in GBP: say what one GBP is in USD"),
        ("0.08 eur", "must be a currency code of three capital letters"),
        ("EUR 0.08", "must be an amount such as 0.10, not EUR"),
        ("cheap EUR", "must be an amount such as 0.10, not cheap"),
        ("-1 EUR", "must be at least 0, not -1"),
        ("0.0000001 EUR", "must have at most 6 decimal places"),
        ("1e13", "must be at most 1000000000000"),
        ("{}", "must be a price, or prices of classification and multilabel, not of nothing"),
        ("{ranking: 1}", "not of ranking"),
        ("{multilabel: 0.12}", "line 7: vendors[0].price: has no price for classification"),
        ("{classification: many}", "classification must be an amount such as 0.10, not many"),
        ("[0.1]", "must be an amount such as 0.10, not a list"),
        ("", "must be an amount such as 0.10, not empty"),
        ("1000000000000 EUR", "is more than 1000000000000 USD"),
    ],
)
def test_a_wrong_price_is_one_clear_line(written, said):
    assert said in mistake(written)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{EUR: 0}", "line 4: budget.exchange: EUR must be a rate above 0"),
        ("{EUR: yes}", "EUR must be a rate"),
        ("{EUR: dear}", "EUR must be a rate such as 1.08, not dear"),
        ("{EUR: 0.0000000000001}", "at most 12 decimal places"),
        ("{Euro: 1.08}", "Euro must be a currency code"),
        ("{USD: 1, EUR: 2}", "line 4: budget.exchange: USD is the budget's own currency"),
        ("1.08", "must be currencies and rates"),
    ],
)
def test_a_wrong_rate_is_one_clear_line(written, said):
    assert said in mistake("0.1", **{"{EUR: 1.08, JPY: 0.0064}": written})


@given(amounts, rates)
def test_what_is_held_is_never_less_than_what_is_owed_nor_a_micro_unit_more(amount, rate):
    found = terms(read_price(f"{amount} EUR"), "classification", "USD", {"EUR": rate})
    owed = Fraction(amount) * Fraction(rate) * 10**6
    assert 0 <= found.price_micro - owed < 1
    assert found.own_micro == amount * 10**6


@given(st.one_of(amounts, amounts.map(lambda one: f"{one} EUR"),
                 st.dictionaries(st.sampled_from(["classification", "multilabel"]), amounts, min_size=1)))  # fmt: skip
def test_a_price_survives_being_written(value):
    price = read_price(value)
    assert read_price(price.plain()) == price


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda part: st.lists(part, max_size=2)
                    | st.dictionaries(st.text(), part, max_size=2)))  # fmt: skip
def test_whatever_is_written_is_read_or_refused(value):
    for read, kind in ((read_price, Price), (read_exchange, dict)):
        with contextlib.suppress(ValueError):
            assert isinstance(read(value), kind)
