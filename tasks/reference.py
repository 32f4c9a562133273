"""What travels between the steps of a round: where an output lies and how to know it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Reference:
    """A stored output, never the output itself.

    Parameters
    ----------
    uri
        ``s3://bucket/key``; the key carries the digest, so the object is written once.
    sha256
        Of the bytes, hexadecimal.
    rows
        Items, labels or objects in it, whatever it counts.
    """

    uri: str
    sha256: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Give the form that the database keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Reference:
        """Read what `to_json` gave."""
        return cls(uri=document["uri"], sha256=document["sha256"], rows=int(document["rows"]))
