"""What an annotation says: Label Studio itself checks nothing of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tasks.vendors.label_studio.form import Question
from tasks.vendors.label_studio.names import choice_of, none_choice


@dataclass(frozen=True)
class Reader:
    """Reads what annotators sent; Label Studio itself checks nothing of it.

    Attributes
    ----------
    task, classes
        Of the campaign.
    question
        The control that asks for them.
    """

    task: str
    classes: tuple[str, ...]
    question: Question

    def read(self, told: Mapping[str, Any], now: datetime) -> Annotation | None:
        """Read one annotation; None where it is no annotator's answer but came with an import."""
        if told.get("ground_truth"):
            return None
        answer, label, comment = self._said(told)
        finished = _time(told.get("created_at"), now)
        seconds = told.get("lead_time")
        spent = timedelta(seconds=min(float(seconds), 86_400)) if isinstance(seconds, int | float) else None
        return Annotation(
            id=int(told["id"]),
            task=int(told.get("task") or 0),
            annotator=f"user-{told.get('completed_by')}",
            answer=answer,
            label=label,
            comment=comment,
            started_at=None if finished is None or spent is None else (finished - spent).isoformat(),
            finished_at=None if finished is None else finished.isoformat(),
        )

    def _said(self, told: Mapping[str, Any]) -> tuple[str, Any, str | None]:
        """Give answer, label and comment. A label that cannot be right is passed on, for the database to refuse."""
        # First: a skipped form that was filled in beforehand carries the model's own label.
        if told.get("was_cancelled"):
            return "skip", None, None
        result = told.get("result")
        if not result:
            return "skip", None, "submitted without a choice"
        choices = _choices(result, self.question.name)
        if choices is None:
            return "label", None, "no choice among its results"
        none = none_choice(self.classes)
        if self.task == "multilabel":
            if choices == [none]:
                return "label", [], None
            return "label", self._names(choices), None
        names = self._names(choices)
        return "label", names[0] if len(names) == 1 else names, None

    def _names(self, choices: Sequence[str]) -> list[str]:
        """Give the classes in the campaign's order, and what is none of them as it is."""
        by_choice = {choice_of(name): name for name in self.classes}
        chosen = [by_choice.get(choice, choice) for choice in dict.fromkeys(choices)]
        order = {name: place for place, name in enumerate(self.classes)}
        return sorted(chosen, key=lambda name: order.get(name, len(order)))


@dataclass(frozen=True)
class Annotation:
    """One annotator's answer as it stands now."""

    id: int
    task: int
    annotator: str
    answer: str
    label: Any = None
    comment: str | None = None
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def said(self) -> str:
        """Fingerprint of what it says."""
        said = json.dumps([self.answer, self.label], ensure_ascii=True)
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def _choices(result: Any, name: str) -> list[str] | None:
    """Give the choices of all results of the question; None where it has none."""
    found: list[str] = []
    for one in result if isinstance(result, list) else ():
        value = one.get("value") if isinstance(one, Mapping) and one.get("from_name") == name else None
        choices = value.get("choices") if isinstance(value, Mapping) else None
        found += [str(choice) for choice in choices] if isinstance(choices, list) else []
    return found or None


def _time(text: Any, now: datetime) -> datetime | None:
    """Read a time of the server, whose clock may run ahead of ours."""
    try:
        return min(datetime.fromisoformat(str(text)), now)
    except (ValueError, TypeError):
        return None
