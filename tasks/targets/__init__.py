"""What a campaign asks of an item: its class, or the set of its classes. Chosen here, and nowhere else."""

from __future__ import annotations

from typing import Any

from tasks.campaign import Campaign
from tasks.targets.base import Believed, Codes, Doubt, Measured, Targets, Trained
from tasks.targets.one_class import OneClass
from tasks.targets.sets import SetExamples, SetOfClasses
from tasks.targets.several_rows import SeveralRows

__all__ = [
    "Believed",
    "Codes",
    "Doubt",
    "Measured",
    "OneClass",
    "SetExamples",
    "SetOfClasses",
    "SeveralRows",
    "Targets",
    "Trained",
    "headline",
    "targets_of",
]


def headline(campaign: Campaign) -> str:
    """Name the measure that a campaign looks at first: its own choice, else the first of its task."""
    return campaign.metric or targets_of(campaign).metrics[0]


def targets_of(campaign: Campaign) -> Targets[Any, Any]:
    """Give what a campaign asks of its items, by its `task`."""
    if campaign.task == "multilabel":
        return SetOfClasses(campaign.classes, campaign.strategy.aggregate or "mean")
    if campaign.predictions is not None and campaign.predictions.aggregate is not None:
        return SeveralRows(campaign.classes)
    return OneClass(campaign.classes)
