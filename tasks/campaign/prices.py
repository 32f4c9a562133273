"""What vendors are paid: prices in their own currencies, and what those are in the budget's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from tasks.campaign.source import Path
from tasks.campaign.values import MICRO, TaskName, check_currency, micro
from tasks.errors import UsageError

_MOST = 10**12
_PLACES = 6
_RATE_PLACES = 12
_WRITTEN = re.compile(r"(\S+)[ \t]+(\S+)")


@dataclass(frozen=True)
class Money:
    """An amount; without a currency it is in the budget's."""

    amount: Decimal
    currency: str | None = None

    def __str__(self) -> str:
        return str(self.amount) if self.currency is None else f"{self.amount} {self.currency}"


@dataclass(frozen=True)
class Price:
    """The price of one answer: one for every task, or one for each.

    Parameters
    ----------
    every
        Whatever the campaign's task is; None where `by_task` says it.
    """

    every: Money | None
    by_task: Mapping[str, Money] = field(default_factory=dict)

    def for_task(self, task: str) -> Money | None:
        """Give the price of an answer to this task; None where there is none."""
        return self.every or self.by_task.get(task)

    def plain(self) -> str | dict[str, str]:
        """Give it as a campaign file has it."""
        return str(self.every) if self.every else {task: str(one) for task, one in self.by_task.items()}


@dataclass(frozen=True)
class Terms:
    """What a vendor is paid for one answer, in its own currency and in the budget's.

    Parameters
    ----------
    own_micro
        Micro units of `currency`.
    rate
        Units of the budget's currency for one of `currency`.
    price_micro
        Micro units of the budget's currency.
    """

    own_micro: int
    currency: str
    rate: Decimal
    price_micro: int


def terms(price: Price, task: str, currency: str, exchange: Mapping[str, Decimal]) -> Terms:
    """Convert a price into the budget's currency.

    A fraction of a micro unit is rounded up: what is held is never less than what the vendor is owed, and
    more by less than one micro unit an answer.

    Parameters
    ----------
    currency
        The budget's.
    exchange
        Units of the budget's currency for one of another.

    Raises
    ------
    UsageError
        When there is no price for the task, or no rate for the currency.
    """
    money = price.for_task(task)
    if money is None:
        raise UsageError(f"no price for the task {task}; there is one for {', '.join(price.by_task)}")
    own = money.currency or currency
    if own != currency and own not in exchange:
        raise UsageError(f"budget.exchange does not say what one {own} is in {currency}")
    rate = Decimal(1) if own == currency else exchange[own]
    own_micro = micro(money.amount)
    return Terms(own_micro, own, rate, math.ceil(own_micro * Fraction(rate)))


def read_price(value: Any) -> Price:
    """Read a price as a campaign file has it: an amount, `0.08 EUR`, or one of them for each task.

    Raises
    ------
    ValueError
        It is none; the message says what it must be.
    """
    if isinstance(value, Price):
        return value
    if not isinstance(value, Mapping):
        return Price(_money(value))
    known = get_args(TaskName)
    other = [str(task) for task in value if task not in known]
    if other or not value:
        raise ValueError(
            f"must be a price, or prices of {' and '.join(known)}, not of {', '.join(other) or 'nothing'}"
        )
    found: dict[str, Money] = {}
    for task in sorted(value):
        try:
            found[task] = _money(value[task])
        except ValueError as error:
            raise ValueError(f"{task} {error}") from None
    return Price(None, found)


def _money(value: Any) -> Money:
    written = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if written is None:
        return Money(_amount(value))
    return Money(_amount(written[1]), check_currency(written[2]))


def _amount(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    number = _number(value, "must be an amount such as 0.10")
    if number < 0:
        raise ValueError(f"must be at least 0, not {value}")
    if number > _MOST:
        raise ValueError(f"must be at most {_MOST}, not {value}")
    if not _fits(number, _PLACES):
        raise ValueError(f"must have at most {_PLACES} decimal places, not {value}")
    return number


def _number(value: Any, wanted: str) -> Decimal:
    try:
        number = Decimal(str(value)) if isinstance(value, int | float | str | Decimal) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        shown = "empty" if value is None else "a list" if isinstance(value, list) else value
        raise ValueError(f"{wanted}, not {shown}")
    return number


def _fits(number: Decimal, places: int) -> bool:
    return bool((Fraction(number) * 10**places).denominator == 1)


def read_exchange(value: Any) -> dict[str, Decimal]:
    """Read rates of exchange: currency to units of the budget's currency for one of it.

    Raises
    ------
    ValueError
        They are none; the message says what they must be.
    """
    if not isinstance(value, Mapping):
        raise ValueError("must be currencies and rates, such as {EUR: 1.08}")
    found: dict[str, Decimal] = {}
    for code in sorted(value, key=str):
        try:
            check_currency(str(code))
        except ValueError as error:
            raise ValueError(f"{code} {error}") from None
        rate = _number(value[code], f"{code} must be a rate such as 1.08")
        if isinstance(value[code], bool) or not 0 < rate <= _MOST or not _fits(rate, _RATE_PLACES):
            raise ValueError(
                f"{code} must be a rate above 0 with at most {_RATE_PLACES} decimal places, not {value[code]}"
            )
        found[str(code)] = rate
    return found


PriceOf = Annotated[Price, PlainValidator(read_price), PlainSerializer(Price.plain)]
Exchange = Annotated[Mapping[str, Decimal], BeforeValidator(read_exchange)]


def broken_prices(values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Name what does not hold between prices, the campaign's task and the budget's currency."""
    budget = values.get("budget")
    budget = budget if isinstance(budget, Mapping) else {}
    currency, task = str(budget.get("currency", "USD")), str(values.get("task", "classification"))
    try:
        exchange = read_exchange(budget.get("exchange", {}))
    except ValueError:
        return
    if currency in exchange:
        yield ("budget", "exchange"), f"{currency} is the budget's own currency: leave it out"
    vendors = values.get("vendors")
    for place, vendor in enumerate(vendors if isinstance(vendors, list) else []):
        try:
            price = read_price(vendor["price"])
        except (ValueError, TypeError, KeyError):
            continue
        money = price.for_task(task)
        if money is None and task in get_args(TaskName):
            yield ("vendors", place, "price"), f"has no price for {task}, the task of this campaign"
        elif money and money.currency not in (None, currency, *exchange):
            yield (
                ("vendors", place, "price"),
                f"is in {money.currency}: say what one {money.currency} is in {currency}, as in "
                f"budget: {{exchange: {{{money.currency}: 1.08}}}}",
            )
        elif money and terms(price, task, currency, exchange).price_micro > _MOST * MICRO:
            yield ("vendors", place, "price"), f"is more than {_MOST} {currency}"
