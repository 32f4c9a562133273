"""The keys of a campaign file as frozen models. Defaults and meanings: docs/campaign.md."""

import hashlib
import json
import math
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from tasks.campaign.cron import check_cron
from tasks.campaign.features import Features
from tasks.campaign.measuring import Audit, Promote
from tasks.campaign.predictions import Predictions
from tasks.campaign.prices import Exchange, Terms, terms
from tasks.campaign.stopping import Guards, Stop
from tasks.campaign.strategy import StrategyChoice
from tasks.campaign.values import (
    Amount,
    Metric,
    ModelKind,
    Name,
    Number,
    Part,
    S3Uri,
    Share,
    TaskName,
    Text,
    Whole,
    check_currency,
    micro,
    parameter,
)
from tasks.campaign.vendors import Gold, Relabel, Truth, Vendor
from tasks.campaign.weak import LabelingFunction, rule_columns
from tasks.pool.spec import PoolSpec
from tasks.predictions.spec import PredictionSpec

_OWN_PARAMS = {
    "objective": "follows from classes",
    "num_class": "follows from classes",
    "seed": "is the campaign's seed",
    "random_state": "is the campaign's seed",
    "device": "is model.device",
}


class ColumnChoice(Part):
    """Columns to learn from; with no kind named they are found from the data."""

    text: tuple[Text, ...] = ()
    numeric: tuple[Text, ...] = ()
    categorical: tuple[Text, ...] = ()
    embedding: tuple[Text, ...] = ()
    date: tuple[Text, ...] = ()
    tags: tuple[Text, ...] = ()
    ignore: tuple[Text, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return {} if value == "auto" else value


class Pool(Part):
    """The unlabeled items."""

    uri: S3Uri
    id: Text = "id"
    columns: ColumnChoice = ColumnChoice()
    payload: Annotated[tuple[Text, ...], Field(min_length=1)]
    max_set_aside: Share = 0.01


class LabelFile(Part):
    """A table with known labels."""

    uri: S3Uri
    id: Text = "id"
    label: Text = "label"


class Budget(Part):
    """What the campaign may buy in all."""

    labels: Annotated[Whole, Field(ge=1)]
    money: Amount | None = None
    currency: Annotated[str, AfterValidator(check_currency)] = "USD"
    exchange: Exchange = Field(default_factory=dict)

    @property
    def money_micro(self) -> int | None:
        """`money` in micro units; None when only labels are limited."""
        return None if self.money is None else micro(self.money)


class Batch(Part):
    """What one round sends to vendors."""

    size: Annotated[Whole, Field(ge=1)]
    audit_share: Annotated[Number, Field(ge=0, le=0.5)] = 0.1

    @property
    def audit_size(self) -> int:
        """Audit items of a full batch: the share rounded, at least one unless the share is 0."""
        return self.audit_items(self.size)

    def audit_items(self, size: int, share: float | None = None) -> int:
        """Audit items of a batch of `size` items, as the last one may be smaller than the others."""
        share = self.audit_share if share is None else share
        if share == 0 or size < 2:
            return 0
        return max(1, round(Decimal(str(share)) * size))


class ColdStart(Part):
    """When a batch is chosen without a model."""

    min_per_class: Annotated[Whole, Field(ge=1)] = 2
    until_labels: Annotated[Whole, Field(ge=1)] | None = None


class Search(Part):
    """A search for XGBoost's parameters."""

    every: Annotated[Whole, Field(ge=1)] = 5
    trials: Annotated[Whole, Field(ge=1, le=1000)] = 12
    seconds: Annotated[Number, Field(gt=0, le=86_400)] = 60.0


class ModelChoice(Part):
    """What is trained, and where."""

    kind: ModelKind = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    class_weight: Literal["none", "balanced", "auto"] = "none"
    calibration: Literal["auto", "none"] = "auto"
    prior: Literal["audit", "labels"] = "audit"
    search: Search | None = None
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Take a bare word for the kind."""
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("params", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """Refuse what labelrounds sets itself; numbers as XGBoost takes them."""
        if not isinstance(value, dict):
            return value
        taken = [f"{name} cannot be set, it {_OWN_PARAMS[name]}" for name in value if name in _OWN_PARAMS]
        if taken:
            raise ValueError("; ".join(taken))
        return {name: parameter(name, item) for name, item in value.items()}


class Close(Part):
    """When a round is over."""

    share: Annotated[Number, Field(gt=0, le=1)] = 1.0
    after_hours: Annotated[Number, Field(gt=0, le=24 * 365)] = 168.0


class Schedule(Part):
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


class Campaign(Part):
    """One labeling effort, as its file says."""

    name: Name
    description: str = ""
    task: TaskName = "classification"
    classes: Annotated[tuple[Text, ...], Field(min_length=2)]
    pool: Pool
    seed_labels: LabelFile | None = None
    holdout: LabelFile | None = None
    budget: Budget
    batch: Batch
    audit: Audit = Audit()
    strategy: StrategyChoice = StrategyChoice()
    cold_start: ColdStart = ColdStart()
    model: ModelChoice = ModelChoice()
    features: Features = Features()
    labeling_functions: tuple[LabelingFunction, ...] = ()
    predictions: Predictions | None = None
    vendors: Annotated[tuple[Vendor, ...], Field(min_length=1)]
    overlap: Annotated[Whole, Field(ge=1, le=15)] = 1
    distinct_by: Literal["vendor", "annotator"] = "vendor"
    instructions: str = ""
    truth: Truth = Truth()
    relabel: Relabel = "off"
    gold: Gold | None = None
    reroute_after_hours: Annotated[Number, Field(gt=0, le=24 * 365)] | None = None
    corrections_hours: Annotated[Number, Field(ge=0, le=24 * 365)] = 168.0
    close: Close = Close()
    metric: Metric | None = None
    forecast: Literal["models", "rounds"] = "models"
    stop: Stop = Stop()
    promote: Promote = Promote()
    guards: Guards = Guards()
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    schedule: Schedule | None = None

    def terms_of(self, vendor: Vendor) -> Terms:
        """Give what a vendor is paid for one answer, in its own currency and in the budget's."""
        return terms(vendor.price, self.task, self.budget.currency, self.budget.exchange)

    @property
    def answer_price_micro(self) -> int:
        """What is held for one answer, in micro units: the price of the dearest vendor, seniors among them."""
        return max(self.terms_of(vendor).price_micro for vendor in self.vendors)

    @property
    def audit_overlap(self) -> int:
        """Answers that an audited item gets."""
        return self.overlap if self.audit.overlap is None else self.audit.overlap

    def audit_items(self, size: int, measured: int) -> int:
        """Give how many items of a batch of `size` are drawn to measure when `measured` audit labels are in."""
        enough = self.audit.then is not None and measured >= self.audit.enough
        return self.batch.audit_items(size, self.audit.then if enough else None)

    def cost_micro(self, items: int) -> int:
        """Give what is held at most for a batch of so many items, gold among it, in micro units."""
        share = max(self.batch.audit_share, self.audit.then or 0.0)
        more = max(0, self.audit_overlap - self.overlap)
        answers = items * self.overlap + self.batch.audit_items(items, share) * more
        if self.gold is not None and items:
            # One of rounding for each vendor.
            answers += math.ceil(self.gold.share * answers) + len(self.vendors)
        return answers * self.answer_price_micro

    def affordable(self, money_micro: int, most: int) -> int:
        """Give how many items, at most `most`, a batch may have for so much money."""
        low, high = 0, max(0, most)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.cost_micro(middle) <= money_micro else (low, middle - 1)
        return low

    @property
    def pool_spec(self) -> PoolSpec:
        """What the pool package needs. Columns called like a known label are never found as features."""
        choice, quotas = self.pool.columns, self.strategy.quotas
        group = () if quotas is None or quotas.group is None else (quotas.group,)
        labels = (part.label for part in (self.seed_labels, self.holdout) if part is not None)
        return PoolSpec(
            uri=self.pool.uri,
            id=self.pool.id,
            payload=tuple(
                dict.fromkeys(
                    (
                        *self.pool.payload,
                        *group,
                        *rule_columns(self.labeling_functions),
                        *self.skill_columns,
                        *self.audit_columns,
                    )
                )
            ),
            text=choice.text,
            numeric=choice.numeric,
            categorical=choice.categorical,
            embedding=choice.embedding,
            date=choice.date,
            tags=choice.tags,
            ignore=tuple(dict.fromkeys((*choice.ignore, *labels))),
            max_set_aside=self.pool.max_set_aside,
            seed=self.seed,
            bare=self.predictions is not None,
        )

    @property
    def skill_columns(self) -> tuple[str, ...]:
        """Columns that say which vendor is able to label an item."""
        return tuple(dict.fromkeys(column for vendor in self.vendors for column in vendor.skills))

    @property
    def audit_columns(self) -> tuple[str, ...]:
        """Columns that say which items the audit draws more often."""
        return tuple(dict.fromkeys(one.column for one in self.audit.oversample))

    @property
    def prediction_spec(self) -> PredictionSpec | None:
        """What the predictions package needs; None where a model is trained."""
        given = self.predictions
        if given is None:
            return None
        return PredictionSpec(
            uri=given.uri,
            id=given.id,
            classes=self.classes,
            proba=given.proba,
            columns=tuple(given.columns[name] for name in self.classes) if given.columns else (),
            aggregate=given.aggregate,
            measure=given.measure,
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
