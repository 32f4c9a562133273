"""Where a stack lives, and what its parts need to know of each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from infra.settings import Given

SECRETS = (
    "postgres_password",
    "s3_access_key_id",
    "s3_secret_access_key",
    "seaweed_jwt_key",
    "seaweed_admin_password",
    "gateway_role",
    "gateway_password",
)


@dataclass(frozen=True)
class Place:
    """One stack's directory, its ports and secrets, and what the user replaced by settings."""

    home: Path
    given: Given = field(repr=False)
    ports: dict[str, dict[str, int]]
    secrets: dict[str, str] = field(repr=False)

    def directory(self, part: str) -> Path:
        """Return the directory of a part's data."""
        return self.home / part

    def log(self, part: str) -> Path:
        """Return the file that a part's output goes to."""
        return self.home / "logs" / f"{part}.log"

    def port(self, part: str) -> int:
        """Return the port that a part's clients use."""
        return next(iter(self.ports[part].values()))
