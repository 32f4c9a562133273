"""The campaign's vendors as routing sees them, and the tasks of a batch's items."""

from __future__ import annotations

from collections.abc import Collection

from infra.database import vendors as vendor_store
from infra.database.batches import Seat
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.vendors.routing import Route, Worker


def workers_of(workplace: Workplace, campaign_id: int, campaign: Campaign) -> list[Worker]:
    """Give the vendors that may lease, as the campaign file describes them."""
    known = {one.name: one for one in vendor_store.vendors_of(workplace.engine, campaign_id)}
    return [
        Worker(
            known[vendor.name].vendor_id,
            vendor.name,
            campaign.terms_of(vendor).price_micro,
            vendor.share,
            vendor.skills,
            vendor.classes,
            vendor.senior,
        )
        for vendor in campaign.vendors
        if vendor.name in known and known[vendor.name].state == "active"
    ]


def seats_of(routes: Collection[Route], workers: Collection[Worker]) -> tuple[Seat, ...]:
    """Hold for each task what the dearest vendor that may ever take it is paid."""
    price = {one.vendor_id: one.price_micro for one in workers}
    dearest = max(price.values(), default=0)

    def most(capable: tuple[int, ...] | None) -> int:
        return dearest if capable is None else max(price[one] for one in capable)

    return tuple(Seat(most(capable), eligible, capable) for eligible, capable in routes)
