"""Which object lies where."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Set
from dataclasses import dataclass

from tasks.pool.store import StoredObject

ANSWERS = (".jsonl", ".ndjson", ".csv", ".manifest")


@dataclass(frozen=True)
class Layout:
    """The four folders of one campaign under a vendor's prefix.

    Parameters
    ----------
    uri
        ``s3://bucket/prefix`` of the vendor.
    campaign
        Its name, the folder's name.
    """

    uri: str
    campaign: str

    @property
    def out(self) -> str:
        """Tasks, for the vendor to read."""
        return f"{self.uri}/out/{self.campaign}/"

    @property
    def answers(self) -> str:
        """Answers, for the vendor to write."""
        return f"{self.uri}/in/{self.campaign}/"

    @property
    def reports(self) -> str:
        """What became of each row, for the vendor to read."""
        return f"{self.uri}/reports/{self.campaign}/"

    @property
    def state(self) -> str:
        """Which tasks were written; no vendor needs it."""
        return f"{self.uri}/state/{self.campaign}/"

    def is_answers(self, found: StoredObject) -> bool:
        """Whether an object under `answers` is to be read: by its name, which ends in one of `ANSWERS` (and .gz)."""
        path = found.uri.removeprefix(self.answers)
        hidden = any(part.startswith((".", "_")) for part in path.split("/"))
        return not hidden and path.lower().removesuffix(".gz").endswith(ANSWERS)

    def report(self, uri: str, etag: str, part: int | None) -> str:
        """Address of a part of the report on one version of a file.

        Parameters
        ----------
        part
            From 1; None is the last, whose existence means that the file was read to its end.
        """
        version = etag if re.fullmatch(r"[0-9A-Za-z-]{1,64}", etag) else _short(etag)
        number = "" if part is None else f".{part:05d}"
        return f"{self.reports}{uri.removeprefix(self.answers)}.{version}.results{number}.jsonl"

    def parts_read(self, found: StoredObject, reports: Set[str]) -> int | None:
        """How many parts of a file were reported on; None when it was read to its end."""
        if self.report(found.uri, found.etag, None) in reports:
            return None
        part = 0
        while self.report(found.uri, found.etag, part + 1) in reports:
            part += 1
        return part


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
