"""What a flow tells its caller: small values, fit for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from infra.database.rounds import Round


@dataclass(frozen=True)
class Outcome:
    """What became of a campaign's round.

    Parameters
    ----------
    result
        ``published``, ``stopped``, ``closed``, ``waiting``, ``busy``, ``guarded`` or ``idle``.
    message
        One sentence for people.
    round
        Its number; None when there was none to work on.
    labels
        In hand when the model was trained.
    estimates
        Group -> measure -> value, low, high, n.
    links
        Where to look.
    """

    campaign: str
    result: str
    message: str
    round: int | None = None
    labels: int | None = None
    items: int | None = None
    complete: int | None = None
    estimates: dict[str, Any] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the document that ``--json`` prints."""
        return asdict(self)


def outcome_of(round_: Round, message: str, links: dict[str, str], **more: Any) -> Outcome:
    """Describe a round as it is now."""
    measures = round_.measures or {}
    return Outcome(
        campaign=round_.campaign,
        result=round_.state,
        message=message,
        round=round_.number,
        labels=measures.get("counts", {}).get("labels"),
        estimates=measures.get("estimates", {}),
        links=links,
        **more,
    )
