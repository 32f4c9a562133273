"""What the labeling functions did, for people and for MLflow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.weak.label_model import LabelModel
from tasks.weak.scan import Scan
from tasks.weak.votes import ABSTAIN, VoteCounts, Votes

# Votes that the label model's estimate of an accuracy is worth beside those on labelled items.
_WORTH = 10.0
_ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class FunctionReport:
    """One labeling function. Shares are of all items.

    Attributes
    ----------
    name : str
    kind : {'rule', 'python'}
    classes : tuple of str
        What it voted for.
    coverage : float
        Where it voted.
    overlap : float
        Where it and another voted.
    conflict : float
        Where it voted and another named another class.
    accuracy : float or None
        Estimated share of right votes: the mean of a Beta distribution that starts at the label model's estimate, from
        votes alone, and takes in the votes on labelled items. None without votes.
    low, high : float or None
        Its 95 % interval.
    labelled, right : int
        Votes on labelled items, and those that were right.
    weight : float
        1 for a function of its own, less where others vote the same.
    error : str or None
        The first error, by id.
    row : str or None
        Id of the item where it was.
    failed_rows : int
    disabled : bool
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    coverage: float
    overlap: float
    conflict: float
    accuracy: float | None
    low: float | None
    high: float | None
    labelled: int
    right: int
    weight: float
    error: str | None
    row: str | None
    failed_rows: int
    disabled: bool


@dataclass(frozen=True)
class WeakReport:
    """All labeling functions of a round.

    Attributes
    ----------
    items : int
        Items that were looked at.
    coverage, overlap, conflict : float
        Shares of them with a vote, with two or more, with votes for different classes.
    prior : dict of str to float
        Shares of the classes, as the label model has them.
    functions : tuple of FunctionReport
    examples : int
        Items that weak examples were made of.
    weight : float
        What those weigh together, in labels.
    """

    items: int
    coverage: float
    overlap: float
    conflict: float
    prior: dict[str, float]
    functions: tuple[FunctionReport, ...]
    examples: int = 0
    weight: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def metrics(self) -> dict[str, float]:
        """Give the figures for MLflow, by name."""
        found = {
            "weak_coverage": self.coverage,
            "weak_overlap": self.overlap,
            "weak_conflict": self.conflict,
            "weak_functions": float(len(self.functions)),
            "weak_functions_disabled": float(sum(function.disabled for function in self.functions)),
            "weak_examples": float(self.examples),
            "weak_weight": self.weight,
        }
        for function in self.functions:
            found[f"weak/{function.name}/coverage"] = function.coverage
            if function.accuracy is not None:
                found[f"weak/{function.name}/accuracy"] = function.accuracy
        return found

    def to_markdown(self) -> str:
        """Give a table of the functions, with the errors below it."""
        lines = [
            f"{self.items:,} items: {_percent(self.coverage)} with a vote, {_percent(self.overlap)} with two or more, "
            f"{_percent(self.conflict)} with votes for different classes.",
            "",
            "| function | votes for | coverage | overlap | conflict | accuracy, estimated | on labels | state |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
            *(_line(function) for function in self.functions),
        ]
        errors = [function for function in self.functions if function.error is not None]
        if errors:
            lines += ["", "Errors:", "", *(_error(function) for function in errors)]
        return "\n".join(lines) + "\n"


def weak_report(
    scan: Scan,
    model: LabelModel,
    classes: Sequence[str],
    *,
    anchor_votes: Votes | None = None,
    anchor_labels: NDArray[np.int64] | None = None,
    examples: int = 0,
    weight: float = 0.0,
) -> WeakReport:
    """Describe the functions.

    Parameters
    ----------
    scan : Scan
    model : LabelModel
        Fitted on its counts, without labels: an estimate that has seen them would count them twice.
    classes : sequence of str (c,)
    anchor_votes : int16 (l, m), optional
        Votes on labelled items.
    anchor_labels : int64 (l,), optional
        Their labels.
    examples, weight
        What weak examples were made.
    """
    m = len(scan.names)
    votes = np.empty((0, m), np.int16) if anchor_votes is None else scan.settle(anchor_votes)
    labels = np.empty(0, np.int64) if anchor_labels is None else np.asarray(anchor_labels)
    covers = _shares(scan.counts)
    functions = []
    for column, name in enumerate(scan.names):
        cast = votes[:, column] != ABSTAIN
        right = int((votes[cast, column] == labels[cast]).sum())
        accuracy, low, high = _accuracy(float(model.accuracy[column]), right, int(cast.sum()))
        failure = scan.failures.get(name)
        named = model.labels[model.functions == column]
        functions.append(
            FunctionReport(
                name=name,
                kind=scan.kinds[column],
                classes=tuple(classes[label] for label in named),
                coverage=float(covers[0][column]),
                overlap=float(covers[1][column]),
                conflict=float(covers[2][column]),
                accuracy=accuracy,
                low=low,
                high=high,
                labelled=int(cast.sum()),
                right=right,
                weight=float(model.weights[column]),
                error=None if failure is None else failure.error,
                row=None if failure is None else failure.row,
                failed_rows=0 if failure is None else failure.rows,
                disabled=name in scan.broken,
            )
        )
    any_, two, different = _totals(scan.counts)
    prior = dict(zip(classes, model.prior.tolist(), strict=True))
    return WeakReport(
        scan.counts.rows, any_, two, different, prior, tuple(functions), examples=examples, weight=weight
    )


def _shares(counts: VoteCounts) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Coverage, overlap and conflict of each function, (m,) each."""
    share = counts.counts / max(1, counts.counts.sum())
    voted = counts.patterns != ABSTAIN
    several, differ = _several(counts)
    return share @ voted, share @ (voted & several[:, None]), share @ (voted & differ[:, None])


def _totals(counts: VoteCounts) -> tuple[float, float, float]:
    share = counts.counts / max(1, counts.counts.sum())
    several, differ = _several(counts)
    voted = (counts.patterns != ABSTAIN).any(axis=1)
    return float(share @ voted), float(share @ several), float(share @ differ)


def _several(counts: VoteCounts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which patterns (p,) have two votes or more, and which have votes for different classes."""
    patterns = counts.patterns
    if not patterns.shape[1]:
        return np.zeros(len(patterns), np.bool_), np.zeros(len(patterns), np.bool_)
    largest = patterns.max(axis=1)
    other = (patterns != ABSTAIN) & (patterns != largest[:, None])
    return (patterns != ABSTAIN).sum(axis=1) > 1, other.any(axis=1)


def _accuracy(guess: float, right: int, votes: int) -> tuple[float | None, float | None, float | None]:
    if np.isnan(guess):
        return None, None, None
    from scipy.stats import beta

    a, b = _WORTH * guess + right, _WORTH * (1 - guess) + votes - right
    low, high = beta.ppf(_ENDS, max(a, 1e-3), max(b, 1e-3))
    return a / (a + b), float(low), float(high)


def _line(function: FunctionReport) -> str:
    accuracy = "-"
    if function.accuracy is not None:
        accuracy = f"{function.accuracy:.2f} ({function.low:.2f} to {function.high:.2f})"
    cells = [
        function.name,
        ", ".join(function.classes) or "-",
        _percent(function.coverage),
        _percent(function.overlap),
        _percent(function.conflict),
        accuracy,
        f"{function.right} of {function.labelled}" if function.labelled else "-",
        "disabled"
        if function.disabled
        else f"failed on {function.failed_rows:,}"
        if function.failed_rows
        else "on",
    ]
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def _error(function: FunctionReport) -> str:
    where = f" (item {function.row})" if function.row is not None else ""
    return f"- {_cell(function.name)}: {_cell(function.error or '')}{_cell(where)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
