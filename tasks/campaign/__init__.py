"""The campaign file: one labeling effort, typed and validated as a whole. Every key: docs/campaign.md."""

from tasks.campaign.load import load_campaign, parse_campaign
from tasks.campaign.measuring import Audit, Oversample, Promote
from tasks.campaign.model import (
    Batch,
    Budget,
    Campaign,
    Close,
    ColdStart,
    ColumnChoice,
    LabelFile,
    ModelChoice,
    Pool,
    Schedule,
)
from tasks.campaign.stopping import Guards, Plateau, Stable, Stop, Target, Uncertainty
from tasks.campaign.strategy import Quotas, StrategyChoice
from tasks.campaign.vendors import Gold, Truth, Vendor

__all__ = [
    "Audit",
    "Batch",
    "Budget",
    "Campaign",
    "Close",
    "ColdStart",
    "ColumnChoice",
    "Gold",
    "Guards",
    "LabelFile",
    "ModelChoice",
    "Oversample",
    "Plateau",
    "Pool",
    "Promote",
    "Quotas",
    "Schedule",
    "Stable",
    "Stop",
    "StrategyChoice",
    "Target",
    "Truth",
    "Uncertainty",
    "Vendor",
    "load_campaign",
    "parse_campaign",
]
