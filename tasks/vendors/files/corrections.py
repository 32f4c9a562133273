"""An answer that was given before: a repetition, or a change of mind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tasks.vendors.connector import Change, Known, Row
from tasks.vendors.files.problems import Problem
from tasks.vendors.files.spans import Answer, answer_of


@dataclass(frozen=True)
class KnownAnswers:
    """The vendor's answers that were taken, as far as some rows concern them.

    Attributes
    ----------
    by_id, by_assignment
        The same answers, by the vendor's own id and by assignment.
    """

    by_id: dict[str, Known]
    by_assignment: dict[str, Known]

    @classmethod
    def of(cls, known: Iterable[Known], rows: Iterable[Row | Problem]) -> KnownAnswers:
        """Pick from all that are known those that the rows name."""
        found = [row for row in rows if isinstance(row, Row)]
        ids = {row.client_annotation_id for row in found}
        assignments = {row.assignment_id for row in found}
        picked = [one for one in known if one.client_annotation_id in ids or one.assignment_id in assignments]
        return cls(
            {one.client_annotation_id: one for one in picked}, {one.assignment_id: one for one in picked}
        )

    def hand_in(self, row: Row) -> Row | Change:
        """Give a row as it is to be handed in: as a change where another answer is known."""
        known = self.by_id.get(row.client_annotation_id) or self.by_assignment.get(row.assignment_id)
        if known is None or known.assignment_id != row.assignment_id:
            return row  # new, or an id of the vendor's that means another task: the database says so
        if answer_of(row) == _answer(known):
            return replace(row, client_annotation_id=known.client_annotation_id)
        reason = row.comment or f"another answer in {row.place}"
        return Change(
            known.client_annotation_id, known.revision, row.answer, row.label, reason=reason, place=row.place
        )


def _answer(known: Known) -> Answer:
    return known.answer, frozenset(known.label) if isinstance(known.label, tuple) else known.label
