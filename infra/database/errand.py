"""Speaking for a vendor that does not come to the door itself: a connector leases and hands in for it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.statements import statements
from tasks.vendors.connector import Known, LabelSchema, Offer

AT_ONCE = 1000
"""Tasks of a lease and rows of a submission, at most."""
_NAMESPACE = uuid.UUID("0f2b1b86-6b0e-4c3a-9d0c-6f1f6f2f9a51")


@dataclass(frozen=True)
class Errand:
    """A vendor's business in one campaign.

    Parameters
    ----------
    engine
        Of the owner of the schema, whom the vendors' functions believe for whom it speaks.
    """

    engine: sa.Engine
    campaign_id: int
    campaign: str
    vendor_id: int
    vendor: str

    def lease(self) -> int:
        """Lease all that the vendor may take; give how many tasks."""
        total = 0
        while True:
            given = self._call("lease", str(uuid.uuid4()), AT_ONCE, None, self.campaign)
            total += len(given["tasks"])
            if not given["tasks"]:
                return total

    def prolong(self, seconds: float) -> None:
        """Hold what lapses within some seconds for another whole lease."""
        soon = datetime.now(UTC) + timedelta(seconds=seconds)
        for lease in sorted({row["lease_id"] for row in self._rows("held") if row["expires_at"] < soon}):
            self._call("extend", str(uuid.uuid4()), lease, None)

    def held(self) -> list[Offer]:
        """Read what the vendor holds, most worth labeling first."""
        return [self._offer(row) for row in self._rows("held")]

    def given_up(self, after: int) -> list[Offer]:
        """Read what it held and lost without an answer, by the messages after a number."""
        return [self._offer(row) for row in self._rows("given_up", after=after)]

    def newest_message(self) -> int:
        """Give the number of the newest message to the vendor."""
        with transaction(self.engine) as connection:
            query = statements("vendors")["newest_seq"]
            return int(connection.execute(query, {"vendor_id": self.vendor_id}).scalar_one())

    def known(self) -> list[Known]:
        """Read its answers that may still change."""
        return [
            Known(
                row["client_annotation_id"],
                row["assignment_id"],
                row["item"],
                row["revision"],
                row["answer"],
                tuple(json.loads(row["label"]))
                if row["label"] and row["task"] == "multilabel"
                else row["label"],
                row["annotator"],
            )
            for row in self._rows("known_answers")
        ]

    def submit(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Hand rows in; give what became of each."""
        return self._in_parts("submit", rows)

    def correct(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Hand corrections in; give what became of each."""
        return self._in_parts("correct", rows)

    def cursor(self) -> dict[str, Any]:
        """Read what the connector remembers; empty at first."""
        with transaction(self.engine) as connection:
            found = connection.execute(statements("vendors")["read_cursor"], self._names).scalar_one_or_none()
        return dict(found or {})

    def remember(self, cursor: Mapping[str, Any]) -> None:
        """Store what the connector remembers."""
        with transaction(self.engine) as connection:
            values = self._names | {"cursor": json.dumps(cursor)}
            connection.execute(statements("vendors")["write_cursor"], values)

    @property
    def _names(self) -> dict[str, Any]:
        return {"campaign_id": self.campaign_id, "vendor_id": self.vendor_id}

    def _rows(self, statement: str, **values: Any) -> list[sa.RowMapping]:
        with transaction(self.engine) as connection:
            return list(connection.execute(statements("vendors")[statement], self._names | values).mappings())

    def _in_parts(self, function: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found = []
        for start in range(0, len(rows), AT_ONCE):
            text = json.dumps(rows[start : start + AT_ONCE], sort_keys=True)
            # The same rows have the same request: what is repeated after a crash is answered as it was.
            request = uuid.uuid5(_NAMESPACE, f"{self.campaign_id}:{self.vendor_id}:{function}:{text}")
            found += self._call(function, str(request), text)["rows"]
        return found

    def _call(self, function: str, *arguments: Any) -> Any:
        names = [f"a{number}" for number in range(len(arguments))]
        casts = {"lease": ("uuid", "int", "int", "text"), "extend": ("uuid", "uuid", "int")}
        types = casts.get(function, ("uuid", "jsonb"))
        places = ", ".join(f"CAST(:{name} AS {kind})" for name, kind in zip(names, types, strict=True))
        with transaction(self.engine) as connection:
            connection.execute(statements("vendors")["speak_for"], {"vendor_id": self.vendor_id})
            query = sa.text(f"SELECT vendor.{function}({places})")
            return connection.execute(query, dict(zip(names, arguments, strict=True))).scalar_one()

    def _offer(self, row: sa.RowMapping) -> Offer:
        schema = LabelSchema(
            self.campaign, row["version"], row["task"], tuple(row["classes"]), row["instructions"]
        )
        return Offer(
            row["assignment_id"], row["item"], row["payload"], schema, row["priority"], row["expires_at"]
        )
