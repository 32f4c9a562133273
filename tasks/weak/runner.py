"""Labeling functions over batches of the pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.weak.process import Answer, Process, Votes
from tasks.weak.rules import holds, patterns_of

if TYPE_CHECKING:
    from tasks.campaign.weak import LabelingFunction

BLOCK_ROWS = 1_000
"""Rows that a Python function is asked about at once; its time limit is for these."""
MOST_FAILED = 0.01
"""Share of rows on which a function may fail; above it, it is disabled."""


@dataclass(frozen=True)
class Failure:
    """What went wrong with a labeling function.

    Attributes
    ----------
    error : str
        In one line: of the failing row with the smallest id, so that the order of rows is no matter.
    row : str or None
        The row's id.
    rows : int
        Rows on which it failed.
    fatal : bool
        Whether it could not be asked any more.
    """

    error: str
    row: str | None = None
    rows: int = 0
    fatal: bool = False


@dataclass(frozen=True)
class _Slot:
    """A column of the votes."""

    name: str
    source: LabelingFunction
    function: str | None = None


class Runner:
    """Runs a campaign's labeling functions.

    Rules run here, vectorised; Python functions, and patterns that RE2 cannot judge, run in another process under a
    time limit. A row on which a function fails counts as abstained. A function that runs out of time, ends its process
    or cannot be imported is not asked again.

    Parameters
    ----------
    functions : sequence of LabelingFunction
    classes : sequence of str
        Of the campaign.
    text : sequence of str
        The campaign's text columns.
    folder : path, optional
        The campaign file's folder, where relative module paths begin.

    Attributes
    ----------
    names : tuple of str (m,)
        The functions, in the order of the columns of votes.
    rows : int
        Rows seen so far.
    failures : mapping of str to Failure
        By name, what went wrong so far.

    Raises
    ------
    UsageError
        A rule votes for a class that the campaign does not have, or two rules have one name.
    """

    def __init__(
        self,
        functions: Sequence[LabelingFunction],
        classes: Sequence[str],
        *,
        text: Sequence[str] = (),
        folder: str | Path | None = None,
    ) -> None:
        self._classes = {name: code for code, name in enumerate(classes)}
        self._text = tuple(text)
        self._process = Process(classes, None if folder is None else Path(folder))
        self._failures: dict[str, Failure] = {}
        self.rows = 0
        try:
            self._slots = tuple(self._open(functions))
        except BaseException:
            self.close()
            raise
        self.names = tuple(slot.name for slot in self._slots)

    @property
    def failures(self) -> Mapping[str, Failure]:
        """What went wrong so far."""
        return dict(self._failures)

    @property
    def kinds(self) -> tuple[str, ...]:
        """``rule`` or ``python`` for each function."""
        return tuple("rule" if slot.source.module is None else "python" for slot in self._slots)

    @property
    def broken(self) -> tuple[str, ...]:
        """Functions that are disabled: by a fatal failure, or by failing on too many of the rows seen."""
        return tuple(
            name
            for name in self.names
            if (failure := self._failures.get(name)) is not None
            and (failure.fatal or failure.rows > MOST_FAILED * self.rows)
        )

    def votes(self, table: pa.Table, ids: Sequence[str] | pa.Array) -> Votes:
        """Ask every function about rows.

        Parameters
        ----------
        table : pyarrow.Table (n rows)
            Raw columns of the pool.
        ids : strings (n,)
            For messages.

        Returns
        -------
        int16 (n, m)
            Classes as codes in the campaign's order; -1 = abstained. Each row's votes depend on that row alone, but
            for functions that were asked no further, whose votes must be thrown away (`broken`).
        """
        votes = np.full((table.num_rows, len(self._slots)), -1, np.int16)
        for start in range(0, table.num_rows, BLOCK_ROWS):
            block = table.slice(start, BLOCK_ROWS)
            part = votes[start : start + BLOCK_ROWS]
            named = [str(item) for item in ids[start : start + BLOCK_ROWS]]
            self._rules(block, part, named)
            self._functions(block, part, named)
        self.rows += table.num_rows
        return votes

    def close(self) -> None:
        """End the other process."""
        self._process.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, functions: Sequence[LabelingFunction]) -> Iterator[_Slot]:
        taken: set[str] = set()
        for source in functions:
            if source.module is None:
                if source.label not in self._classes:
                    classes = ", ".join(self._classes)
                    raise UsageError(
                        f"labeling function {source.name}: {source.label} is none of the classes {classes}"
                    )
                if source.name in taken:
                    raise UsageError(f"labeling function {source.name} is given twice; rename one")
                taken.add(str(source.name))
                yield _Slot(str(source.name), source)
            else:
                yield from self._module(source, taken)

    def _module(self, source: LabelingFunction, taken: set[str]) -> Iterator[_Slot]:
        module = str(source.module)
        found, error = self._process.functions(module, source.functions)
        # A module that does not load still has its functions in the report, with the reason.
        for function in found or source.functions or (module,):
            name = _free(function, module, taken)
            taken.add(name)
            if error is not None:
                self._failures[name] = Failure(error, fatal=True)
            yield _Slot(name, source, function)

    def _rules(self, block: pa.Table, votes: Votes, ids: Sequence[str]) -> None:
        for column, slot in enumerate(self._slots):
            if slot.source.module is not None or self._is_dead(slot):
                continue
            label = self._classes[str(slot.source.label)]
            try:
                held = holds(slot.source, block, self._text)
            except (UsageError, pa.ArrowException) as error:
                self._fail(slot, Answer(votes[:0, 0], fatal=_line(error)), ids)
                continue
            votes[held.rows, column] = label
            if len(held.unsure):
                votes[held.unsure[self._judged(slot, block, held.unsure, ids)], column] = label

    def _judged(
        self, slot: _Slot, block: pa.Table, unsure: NDArray[np.int64], ids: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Let Python's `re` judge the rows that RE2 left open."""
        patterns = patterns_of(slot.source, self._text)
        columns = list(dict.fromkeys(name for names, _ in patterns for name in names))
        task = {
            "conditions": [[list(names), text] for names, text in patterns],
            "seconds": slot.source.seconds,
        }
        (answer,) = self._process.ask([task], block.select(columns).take(pa.array(unsure)))
        self._fail(slot, answer, [ids[row] for row in unsure])
        return np.asarray(answer.votes == 0, np.bool_)

    def _functions(self, block: pa.Table, votes: Votes, ids: Sequence[str]) -> None:
        asked = [
            (column, slot)
            for column, slot in enumerate(self._slots)
            if slot.source.module is not None and not self._is_dead(slot)
        ]
        if not asked:
            return
        tasks: list[dict[str, Any]] = [
            {
                "module": slot.source.module,
                "functions": list(slot.source.functions),
                "function": slot.function,
                "seconds": slot.source.seconds,
            }
            for _, slot in asked
        ]
        for (column, slot), answer in zip(asked, self._process.ask(tasks, block), strict=True):
            votes[:, column] = answer.votes
            self._fail(slot, answer, ids)

    def _is_dead(self, slot: _Slot) -> bool:
        failure = self._failures.get(slot.name)
        return failure is not None and failure.fatal

    def _fail(self, slot: _Slot, answer: Answer, ids: Sequence[str]) -> None:
        """Note what went wrong, if anything."""
        before = self._failures.get(slot.name, Failure("", None))
        if answer.failures:
            row, error = min((ids[row], message) for row, message in answer.failures)
            rows = before.rows + len(answer.failures)
            if before.row is None or row < before.row:
                before = replace(before, error=error, row=row)
            before = self._failures[slot.name] = replace(before, rows=rows)
        if answer.fatal is not None:
            where = None if answer.row is None else ids[answer.row]
            self._failures[slot.name] = replace(before, error=answer.fatal, row=where, fatal=True)


def _free(name: str, module: str, taken: set[str]) -> str:
    """Give a name that no other function has."""
    stem = Path(module).stem if module.endswith(".py") else module
    candidates = [name, f"{stem}.{name}", *(f"{stem}.{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(item for item in candidates if item not in taken)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
