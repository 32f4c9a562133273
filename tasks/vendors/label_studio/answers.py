"""Annotations as answers: whose assignment each is, and what changed since it was taken.

An item has one task here and several assignments, one a distinct annotator. Which of them an annotator has is decided
once, when the answer is taken, and then stands in what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.vendors.connector import Change, Known, Row
from tasks.vendors.label_studio.reading import Annotation


@dataclass(frozen=True)
class Matched:
    """What is to be handed in for one item.

    Attributes
    ----------
    rows, changes
        Not handed in before.
    handed
        Client annotation id to what was handed in for it, now or earlier, and not taken: `match` needs it again.
    wanted
        How many distinct annotators the item wants in all, at least 1.
    done
        Whether it has them.
    """

    rows: tuple[Row, ...] = ()
    changes: tuple[Change, ...] = ()
    handed: Mapping[str, list[Any]] = field(default_factory=dict)
    wanted: int = 1
    done: bool = True


def client_id(project: int, annotation: int) -> str:
    """Give our id of an annotation."""
    return f"ls:{project}:{annotation}"


def annotation_of(name: str, project: int) -> int | None:
    """Give the annotation of a client annotation id; None where it is another project's."""
    head, _, number = name.rpartition(":")
    return int(number) if head == f"ls:{project}" and number.isdigit() else None


def match(
    project: int,
    annotations: Sequence[Annotation],
    held: Sequence[str],
    known: Sequence[Known],
    *,
    offered: Sequence[str],
    handed: Mapping[str, Sequence[Any]],
    is_gone: Callable[[int], bool],
) -> Matched:
    """Match the annotations of one item with its assignments.

    Parameters
    ----------
    annotations
        All that the item has now.
    held
        Its assignments that wait for an answer.
    known
        Answers that were taken.
    offered
        All assignments that it was ever offered for: of late answers, one of these is the right one.
    handed
        Of an earlier call; may be empty.
    is_gone
        Asks whether a known annotation was deleted, when it is not among `annotations`.
    """
    pairs, new, gone = _pairs(project, sorted(annotations, key=lambda one: one.id), known, is_gone)
    changes, told = [], {}
    for was, now in pairs:
        if not _same(was, now):
            told[was.client_annotation_id] = [f"revision {was.revision}", now.said, now.task]
            changes.append(_change(project, was, now))
    for was in gone:
        if was.answer != "skip":
            mark = [f"revision {was.revision}", "deleted", 0]
            told[was.client_annotation_id] = mark
            changes.append(Change(
                was.client_annotation_id, was.revision, "skip", None, "deleted in Label Studio", f"project {project}"
            ))  # fmt: skip
    rows, free = _rows(project, new, held, known, offered, handed, told)
    counted = {one.annotator for one in annotations if one.answer != "skip"}
    return Matched(
        rows=tuple(rows),
        # A correction that was refused is not asked for again.
        changes=tuple(
            one
            for one in changes
            if list(handed.get(one.client_annotation_id, ()))[:2] != told[one.client_annotation_id][:2]
        ),
        handed=told,
        wanted=max(1, len(counted) + len(free)),
        done=not free,
    )


def _pairs(
    project: int, annotations: Sequence[Annotation], known: Sequence[Known], is_gone: Callable[[int], bool]
) -> tuple[list[tuple[Known, Annotation]], list[Annotation], list[Known]]:
    """Pair what is known with what stands there now; what is left is new, or gone.

    Each person answers once: whoever deletes an answer and gives another, or skips and then answers after all,
    corrects it.
    """
    own = {client_id(project, one.id): one for one in annotations}
    names = {was.client_annotation_id for was in known}
    new = [one for name, one in own.items() if name not in names]
    pairs, gone = [], []
    for was in known:
        number, now = annotation_of(was.client_annotation_id, project), own.get(was.client_annotation_id)
        if number is None or (now is None and not is_gone(number)):
            continue
        if now is None or now.answer == "skip":
            theirs = [one for one in new if one.annotator == was.annotator]
            instead = min(theirs, key=lambda one: (one.answer == "skip", one.id), default=None)
            if instead is not None and (now is None or instead.answer != "skip"):
                new.remove(instead)
                now = instead
        if now is None:
            gone.append(was)
        else:
            pairs.append((was, now))
    return pairs, new, gone


def _rows(
    project: int,
    new: Sequence[Annotation],
    held: Sequence[str],
    known: Sequence[Known],
    offered: Sequence[str],
    handed: Mapping[str, Sequence[Any]],
    told: dict[str, list[Any]],
) -> tuple[list[Row], list[str]]:
    """Give a row for each new annotation, and the assignments that still wait; marks go into `told`."""
    free, rows = sorted(held), []
    by_annotator = {was.annotator: was.assignment_id for was in known}
    used = {was.assignment_id for was in known}
    answered = {one.annotator for one in new if one.answer != "skip"} | set(by_annotator)
    new = [one for one in new if one.answer != "skip" or one.annotator not in answered]
    marks = ((one, handed.get(client_id(project, one.id))) for one in new)
    before = {one.id: mark for one, mark in marks if mark is not None and mark[1] == one.said}
    # What was judged already comes last: refused as it stands, it may only do for another assignment.
    for one in sorted(new, key=lambda one: (one.id in before, one.id)):
        name, mark = client_id(project, one.id), before.get(one.id)
        if mark is not None and (mark[0] in held or one.annotator in by_annotator or not free):
            told[name] = list(mark)
            continue
        if one.annotator in by_annotator:
            assignment = by_annotator[one.annotator]
        elif free:
            assignment = free.pop(0)
        else:
            spare = [name for name in offered if name not in used] or list(offered) or sorted(used)
            if not spare:
                continue
            assignment = spare[-1]
        by_annotator.setdefault(one.annotator, assignment)
        used.add(assignment)
        told[name] = [assignment, one.said, one.task]
        rows.append(_row(name, project, assignment, one))
    return rows, free


def _repeats(handed: Mapping[str, Sequence[Any]], told: Mapping[str, Sequence[Any]], name: str) -> bool:
    return name in handed and list(handed[name])[:2] == list(told[name])[:2]


def _same(was: Known, now: Annotation) -> bool:
    label = list(was.label) if isinstance(was.label, tuple | list) else was.label
    if was.answer != now.answer or now.answer != "label":
        return was.answer == now.answer
    if isinstance(label, list) and isinstance(now.label, list):
        return set(label) == set(now.label)
    return bool(label == now.label)


def _change(project: int, was: Known, now: Annotation) -> Change:
    place = f"project {project}, task {now.task}, annotation {now.id}"
    return Change(
        was.client_annotation_id, was.revision, now.answer, now.label, now.comment or "edited in Label Studio", place
    )  # fmt: skip


def _row(name: str, project: int, assignment: str, one: Annotation) -> Row:
    return Row(
        client_annotation_id=name,
        assignment_id=assignment,
        answer=one.answer,
        label=one.label,
        annotator=one.annotator,
        started_at=one.started_at,
        finished_at=one.finished_at,
        comment=one.comment,
        place=f"project {project}, task {one.task}, annotation {one.id}",
    )
