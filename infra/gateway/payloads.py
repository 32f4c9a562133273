"""Addresses under which a vendor fetches what lies in S3; the bytes never come through the gateway."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.errors import LabelRoundsError

MOST_SECONDS = 7 * 24 * 3600
"""What S3's signatures allow."""

SLACK_SECONDS = 300
"""An address outlives its lease by this: clocks differ, and a download begun in time should end."""


@dataclass(frozen=True)
class Signer:
    """Signs addresses of objects that vendors may see.

    Parameters
    ----------
    presign
        ``s3://`` address and seconds -> address for everybody.
    allowed
        Buckets; none are all but `refused`.
    refused
        The artifact bucket, with models and batches: a pool whose text names it must not open it.
    """

    presign: Callable[[str, int], str]
    allowed: frozenset[str]
    refused: frozenset[str]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def sign(self, payload: Mapping[str, Any], expires_at: str) -> dict[str, Any]:
        """Sign what a payload names.

        Parameters
        ----------
        expires_at
            End of the lease, in ISO format.

        Returns
        -------
        dict
            ``payload_urls`` (column to address) and ``payload_urls_expire_at`` (None where there is none).
        """
        now = self.clock()
        left = (datetime.fromisoformat(expires_at) - now).total_seconds()
        seconds = int(min(MOST_SECONDS, max(0, math.ceil(left)) + SLACK_SECONDS))
        urls = {}
        for column, value in payload.items():
            if isinstance(value, str) and self._may(value):
                try:
                    urls[column] = self.presign(value, seconds)
                except LabelRoundsError:
                    continue  # looks like an address and is none
        until = (now + timedelta(seconds=seconds)).isoformat(timespec="seconds") if urls else None
        return {"payload_urls": urls, "payload_urls_expire_at": until}

    def _may(self, value: str) -> bool:
        if not value.startswith("s3://"):
            return False
        bucket, slash, key = value.removeprefix("s3://").partition("/")
        return (
            bool(slash and key)
            and bucket not in self.refused
            and (not self.allowed or bucket in self.allowed)
        )
