"""Types of the values in a campaign file."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

MICRO = 1_000_000
"""Micro units in one unit of money; all amounts are kept as whole micro units."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S.*")


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


def check_currency(code: str) -> str:
    """Return a currency code, or raise ValueError."""
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
TaskName = Literal["classification", "multilabel"]
ClassMetric = Literal["accuracy", "balanced_accuracy", "macro_f1", "auc", "average_precision", "log_loss"]
SetMetric = Literal[
    "micro_f1", "macro_f1", "hamming_accuracy", "subset_accuracy", "mean_average_precision", "log_loss"
]
Metric = Literal[ClassMetric, SetMetric]
METRICS_OF_TASK: dict[str, tuple[str, ...]] = {
    "classification": get_args(ClassMetric),
    "multilabel": get_args(SetMetric),
}
"""Measures that a stop rule may name; the first is the one where it names none."""

ModelKind = Literal["auto", "xgboost", "linear", "forest", "stacked"]


def micro(amount: Decimal) -> int:
    """Give an amount in micro units."""
    return int(amount * MICRO)


class Part(BaseModel):
    """A section: no unknown keys, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parameter(name: str, value: Any) -> Any:
    """Give a parameter in plain types; raise ValueError for what is no number, text or list of them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [parameter(name, item) for item in value]
    if name == "monotone_constraints" and isinstance(value, dict):
        return {column: parameter(name, sign) for column, sign in value.items()}
    if isinstance(value, dict) or value is None:
        raise ValueError(f"{name} must be a number, a text or a list of them")
    return value
