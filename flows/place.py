"""What every flow does first: find the workplace and the campaign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flows.names import is_file_name
from infra.database import campaigns
from infra.settings import load_settings
from infra.workplace import Workplace
from tasks.campaign import Campaign, load_campaign
from tasks.strategies import get


@contextmanager
def workplace() -> Iterator[Workplace]:
    """Open database, storage and tracking as the settings say, and give the connections back at the end."""
    place = Workplace(load_settings())
    try:
        place.prepare()
        yield place
    finally:
        place.close()


def find_campaign(place: Workplace, campaign: str) -> Campaign:
    """Read a campaign from its file, or by its name as the newest round left it in the database.

    Parameters
    ----------
    campaign
        ``spam.yaml``, or ``spam``.

    Raises
    ------
    NotFound, CampaignError
        When there is no such file or campaign, or the file has mistakes.
    """
    if is_file_name(campaign):
        return load_campaign(campaign, find_strategy=get)
    return Campaign.model_validate(campaigns.find(place.engine, campaign).spec)
