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
    Vendor,
)
from tasks.campaign.strategy import Quotas, StrategyChoice

__all__ = [
    "Batch",
    "Budget",
    "Campaign",
    "Close",
    "ColdStart",
    "ColumnChoice",
    "LabelFile",
    "ModelChoice",
    "Plateau",
    "Pool",
    "Quotas",
    "Schedule",
    "Stop",
    "StrategyChoice",
    "Target",
    "Vendor",
    "load_campaign",
    "parse_campaign",
]
