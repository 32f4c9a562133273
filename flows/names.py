"""Campaigns are named by file or by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def is_file_name(campaign: str) -> bool:
    """Tell a path from a campaign's name, which has neither dots nor slashes."""
    return Path(campaign).suffix in (".yaml", ".yml") or "/" in campaign


def campaign_name(campaign: str) -> str:
    """Give the name of a campaign that is told by its file or its name.

    Raises
    ------
    NotFound, CampaignError
        There is no such file, or it has mistakes.
    """
    from tasks.campaign import load_campaign

    return load_campaign(campaign).name if is_file_name(campaign) else campaign


def run_name(what: str) -> Callable[[], str]:
    """Make the function that names a flow run, such as ``spam/collect``, whether it got a file or a name."""

    def name() -> str:
        from prefect import runtime

        campaign = runtime.flow_run.parameters.get("campaign") or "all"
        return f"{Path(campaign).stem}/{what}"

    return name
