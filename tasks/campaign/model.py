"""The keys of a campaign file as frozen models. Defaults and meanings: docs/campaign.md."""

import hashlib
import json
import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    field_validator,
    model_validator,
)

from tasks.campaign.cron import check_cron
from tasks.pool.spec import PoolSpec

AUTO_SHORTLIST = 1_000
"""Least shortlist when the campaign names none; else ten batches."""

MICRO = 1_000_000
"""Micro units in one unit of money; all amounts are kept as whole micro units."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S.*")
_OWN_PARAMS = {
    "objective": "follows from classes",
    "num_class": "follows from classes",
    "seed": "is the campaign's seed",
    "random_state": "is the campaign's seed",
    "device": "is model.device",
}


def check_name(name: str) -> str:
    """Return the name of a campaign or vendor, when it is one.

    Raises
    ------
    ValueError
        It has other characters or another length.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 63 lowercase letters, digits and dashes, and not begin with a dash")
    return name


def _check_uri(uri: str) -> str:
    if not _S3_URI.fullmatch(uri):
        raise ValueError("must be an S3 address such as s3://bucket/folder/")
    return uri


def _check_currency(code: str) -> str:
    if not re.fullmatch("[A-Z]{3}", code):
        raise ValueError("must be a currency code of three capital letters, such as USD")
    return code


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Name = Annotated[str, AfterValidator(check_name)]
Text = Annotated[str, Field(min_length=1)]
S3Uri = Annotated[str, AfterValidator(_check_uri)]
Whole = Annotated[int, Strict()]
Number = Annotated[float, BeforeValidator(_refuse_bool), Field(allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Amount = Annotated[Decimal, BeforeValidator(_refuse_bool), Field(ge=0, le=10**12, decimal_places=6)]
Metric = Literal["accuracy", "macro_f1", "auc"]


def _micro(amount: Decimal) -> int:
    return int(amount * MICRO)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnChoice(_Part):
    """Columns to learn from; with no kind named they are found from the data."""

    text: tuple[Text, ...] = ()
    numeric: tuple[Text, ...] = ()
    categorical: tuple[Text, ...] = ()
    embedding: tuple[Text, ...] = ()
    ignore: tuple[Text, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return {} if value == "auto" else value


class Pool(_Part):
    """The unlabeled items."""

    uri: S3Uri
    id: Text = "id"
    columns: ColumnChoice = ColumnChoice()
    payload: Annotated[tuple[Text, ...], Field(min_length=1)]
    max_set_aside: Share = 0.01


class LabelFile(_Part):
    """A table with known labels."""

    uri: S3Uri
    id: Text = "id"
    label: Text = "label"


class Budget(_Part):
    """What the campaign may buy in all."""

    labels: Annotated[Whole, Field(ge=1)]
    money: Amount | None = None
    currency: Annotated[str, AfterValidator(_check_currency)] = "USD"

    @property
    def money_micro(self) -> int | None:
        """`money` in micro units; None when only labels are limited."""
        return None if self.money is None else _micro(self.money)


class Batch(_Part):
    """What one round sends to vendors."""

    size: Annotated[Whole, Field(ge=1)]
    audit_share: Annotated[Number, Field(ge=0, le=0.5)] = 0.1

    @property
    def audit_size(self) -> int:
        """Audit items of a full batch: the share rounded, at least one unless the share is 0."""
        return self.audit_items(self.size)

    def audit_items(self, size: int) -> int:
        """Audit items of a batch of `size` items, as the last one may be smaller than the others."""
        if self.audit_share == 0 or size < 2:
            return 0
        return max(1, round(Decimal(str(self.audit_share)) * size))


class StrategyChoice(_Part):
    """How items are chosen."""

    name: Text = "margin"
    shortlist: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class ColdStart(_Part):
    """When a batch is chosen without a model."""

    min_per_class: Annotated[Whole, Field(ge=1)] = 2


class ModelChoice(_Part):
    """What is trained, and where."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    params: dict[str, Any] = {}

    @field_validator("params", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """Refuse what labelrounds sets itself; numbers as XGBoost takes them."""
        if not isinstance(value, dict):
            return value
        taken = [f"{name} cannot be set, it {_OWN_PARAMS[name]}" for name in value if name in _OWN_PARAMS]
        if taken:
            raise ValueError("; ".join(taken))
        return {name: _param(name, item) for name, item in value.items()}


def _param(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_param(name, item) for item in value]
    if isinstance(value, dict) or value is None:
        raise ValueError(f"{name} must be a number, a text or a list of them")
    return value


class Vendor(_Part):
    """Who may label, and at what price."""

    name: Name
    price: Amount
    lease_minutes: Annotated[Number, Field(gt=0, le=60 * 24 * 90)] = 60

    @property
    def price_micro(self) -> int:
        """Price of one answer in micro units."""
        return _micro(self.price)


class Close(_Part):
    """When a round is over."""

    share: Annotated[Number, Field(gt=0, le=1)] = 1.0
    after_hours: Annotated[Number, Field(gt=0, le=24 * 365)] = 168.0


class Target(_Part):
    """Stop when the lower end of the metric's interval is this good."""

    metric: Metric = "accuracy"
    value: Annotated[Number, Field(gt=0, le=1)]


class Plateau(_Part):
    """Stop when the metric hardly rose over the last rounds."""

    metric: Metric = "accuracy"
    rounds: Annotated[Whole, Field(ge=1)] = 3
    min_gain: Annotated[Number, Field(ge=0, le=1)] = 0.002


class Stop(_Part):
    """When the campaign is over before its budget is spent."""

    target: Target | None = None
    plateau: Plateau | None = None
    max_rounds: Annotated[Whole, Field(ge=1)] | None = None


class Schedule(_Part):
    """When rounds start by themselves."""

    cron: Annotated[str, AfterValidator(check_cron)]
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, LookupError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise ValueError(f"{name!r} is no time zone, such as UTC or Europe/Berlin") from error
        return name


class Campaign(_Part):
    """One labeling effort, as its file says."""

    name: Name
    description: str = ""
    classes: Annotated[tuple[Text, ...], Field(min_length=2)]
    pool: Pool
    seed_labels: LabelFile | None = None
    holdout: LabelFile | None = None
    budget: Budget
    batch: Batch
    strategy: StrategyChoice = StrategyChoice()
    cold_start: ColdStart = ColdStart()
    model: ModelChoice = ModelChoice()
    vendors: Annotated[tuple[Vendor, ...], Field(min_length=1)]
    overlap: Annotated[Whole, Field(ge=1, le=15)] = 1
    close: Close = Close()
    stop: Stop = Stop()
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    schedule: Schedule | None = None

    @property
    def shortlist(self) -> int:
        """Candidates that scoring the pool leaves for batch selection."""
        return self.strategy.shortlist or max(AUTO_SHORTLIST, 10 * self.batch.size)

    @property
    def answer_price_micro(self) -> int:
        """What is held for one answer, in micro units: the price of the dearest vendor."""
        return max(vendor.price_micro for vendor in self.vendors)

    @property
    def item_price_micro(self) -> int:
        """What is held for one item with its overlap, in micro units."""
        return self.answer_price_micro * self.overlap

    @property
    def pool_spec(self) -> PoolSpec:
        """What the pool package needs. Columns called like a known label are never found as features."""
        choice = self.pool.columns
        labels = (part.label for part in (self.seed_labels, self.holdout) if part is not None)
        return PoolSpec(
            uri=self.pool.uri,
            id=self.pool.id,
            payload=self.pool.payload,
            text=choice.text,
            numeric=choice.numeric,
            categorical=choice.categorical,
            embedding=choice.embedding,
            ignore=tuple(dict.fromkeys((*choice.ignore, *labels))),
            max_set_aside=self.pool.max_set_aside,
            seed=self.seed,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical JSON, with every default filled in; what a round stores of its campaign."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str) -> "Campaign":
        """Read what `to_json` wrote."""
        return cls.model_validate_json(text)
