"""What was found on the way through a pool: what is left out and why, what is missing where."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tasks.pool.manifest import ManifestObject, SetAside
from tasks.pool.schema import Columns

EXAMPLES = 5
"""Most examples of one reason."""


@dataclass
class Tally:
    """Counts and first examples by reason."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, count: int = 1, example: str | None = None) -> None:
        """Count something, with its place."""
        self.counts[reason] += count
        kept = self.examples.setdefault(reason, [])
        if example is not None and len(kept) < EXAMPLES:
            kept.append(example)

    def join(self, other: "Tally") -> None:
        """Take in another tally."""
        for reason, count in other.counts.items():
            self.add(reason, count)
            for example in other.examples[reason]:
                self.add(reason, 0, example)

    def result(self) -> tuple[SetAside, ...]:
        """Give the counts, in order of the reasons."""
        return tuple(
            SetAside(reason, self.counts[reason], tuple(self.examples[reason]))
            for reason in sorted(self.counts)
        )


def absences(columns: Columns, objects: Sequence[ManifestObject]) -> tuple[str, ...]:
    """Say which columns some objects lack."""
    rows = sum(item.rows for item in objects)
    notes = []
    for name in columns.features:
        lacking = [item for item in objects if name in item.absent]
        if lacking:
            share = sum(item.rows for item in lacking) / rows
            notes.append(
                f"column {name!r} is missing in {len(lacking)} of {len(objects)} objects, {share:.1%} of the rows "
                f"(first: {lacking[0].uri}); it counts as a missing value there"
            )
    return tuple(notes)
