"""The campaign file: one labeling effort, typed and validated as a whole. Every key: docs/campaign.md."""

from tasks.campaign.load import load_campaign, parse_campaign
from tasks.campaign.model import (
    Batch,
    Budget,
    Campaign,
    Close,
    ColdStart,
    ColumnChoice,
    LabelFile,
    ModelChoice,
    Plateau,
    Pool,
    Schedule,
    Stop,
    Target,
)
from tasks.campaign.strategy import Quotas, StrategyChoice
from tasks.campaign.vendors import Gold, Truth, Vendor

__all__ = [
    "Batch",
    "Budget",
    "Campaign",
    "Close",
    "ColdStart",
    "ColumnChoice",
    "Gold",
    "LabelFile",
    "ModelChoice",
    "Plateau",
    "Pool",
    "Quotas",
    "Schedule",
    "Stop",
    "StrategyChoice",
    "Target",
    "Truth",
    "Vendor",
    "load_campaign",
    "parse_campaign",
]
