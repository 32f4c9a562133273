"""``task: multilabel``: an item has any number of classes, or none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.targets.base import Believed, Codes, Doubt, Floats, Ints, Measured, Trained, bins_of
from tasks.targets.set_figures import figures_of
from tasks.truth.labelset import Indicators, indicators, names_of, texts_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation import Comparison
    from tasks.features import FeatureSpace
    from tasks.models import Examples, Setting
    from tasks.models.multilabel import MultiLabelModel
    from tasks.strategies import Description, Strategy


@dataclass(frozen=True)
class SetExamples:
    """Weighted items with a set of classes each.

    Attributes
    ----------
    X : float32 (n, d)
    Y : int8 (n, n_classes)
    weight : float64 (n,)
    """

    X: Floats
    Y: Indicators
    weight: NDArray[np.float64]

    @property
    def items(self) -> int:
        """Labelled items."""
        return len(self.X)

    def of_class(self, place: int) -> Examples:
        """Give the rows of one class: not there, there."""
        from tasks.models import Examples

        return Examples(self.X, self.Y[:, place].astype(np.int64), self.weight, np.arange(len(self.X)))

    def digest(self) -> str:
        """Give a SHA-256 of all, in hexadecimal."""
        found = hashlib.sha256()
        for part in (self.X, self.Y, self.weight):
            found.update(f"{part.dtype}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class SetOfClasses:
    """Any of the campaign's classes; see `tasks.targets.Targets`.

    Attributes
    ----------
    classes : tuple of str
    how : str
        How the uncertainties of an item's classes become one, of `tasks.strategies.multilabel.HOWS`.
    """

    classes: tuple[str, ...]
    how: str = "mean"
    task: ClassVar[str] = "multilabel"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Micro-F1 first."""
        from tasks.evaluation.multilabel import METRICS_OF_SETS

        return METRICS_OF_SETS

    def codes(self, labels: Sequence[str]) -> Codes:
        """Give indicators, int8 (n, n_classes)."""
        return indicators(labels, self.classes)

    def counts(self, codes: Codes) -> list[int]:
        """Count the items that have each class."""
        return [int(n) for n in codes.sum(axis=0, dtype=np.int64)]

    def evidence(self, codes: Codes) -> list[int]:
        """Count the items that have a class, or those that have it not where these are fewer: it takes both."""
        here = codes.sum(axis=0, dtype=np.int64)
        return [int(n) for n in np.minimum(here, len(codes) - here)]

    def questions(self, codes: Codes) -> Iterator[tuple[str, Ints]]:
        """Ask of each class whether an item has it."""
        for name, column in zip(self.classes, codes.T, strict=True):
            yield name, column.astype(np.int64)

    def known(self, codes: Codes) -> Ints:
        """Give 0: strategies see only that there is a label."""
        return np.zeros(len(codes), np.int64)

    def predicted(self, codes: Ints) -> list[int]:
        """Strategies see how sure the model is of an item, not what of."""
        return []

    def believe(
        self,
        item: Ints,
        source: Ints,
        answers: Sequence[str],
        *,
        method: str,
        witness: Floats,
        known: Sequence[str | None],
    ) -> Believed:
        """Infer each class by itself."""
        from tasks.truth import believe_sets

        chances = witness.astype(np.float64)
        for row, label in enumerate(known):
            if label is not None:
                chances[row] = self.codes([label])[0]
        silent = ~np.isfinite(chances).all(axis=1)
        chances[silent] = 0.5
        belief = believe_sets(
            item,
            source,
            self.codes(answers),
            n_items=len(known),
            n_sources=int(source.max(initial=-1)) + 1,
            method=method,
            model_proba=None if silent.all() else chances,
        )
        return Believed(texts_of(belief.labels, self.classes), belief.confidence, belief.confidence, belief)

    def shown(self, label: str) -> list[str]:
        """Give the names in a list."""
        return list(names_of(label, self.classes))

    def examples(self, X: Floats, codes: Codes, confidence: NDArray[Any]) -> SetExamples:
        """Weigh items by confidence: a doubt about one class of a set says nothing of the others."""
        return SetExamples(X, codes, np.asarray(confidence, np.float64))

    def fit(self, kind: str, examples: SetExamples, setting: Setting) -> Trained:
        """Train a model for each class."""
        from tasks.models.multilabel import train_multilabel

        fitted = train_multilabel(kind, examples.X, examples.Y, setting, weight=examples.weight)
        told = [None if one is None else one.unseen for one in fitted.labels]
        unseen = None
        if any(one is not None for one in told):
            none = np.full(examples.items, np.nan, np.float32)
            unseen = np.column_stack([none if one is None else one[:, 1] for one in told])
        return Trained(fitted.model, figures_of(fitted, self.classes), unseen)

    def corrected(
        self, model: MultiLabelModel, examples: SetExamples, setting: Setting, X: Floats, codes: Codes
    ) -> tuple[MultiLabelModel, dict[str, Any]]:
        """Correct the share of items that have a class, class by class."""
        from tasks.models import Model, with_prior

        members, shares, surprise, corrects = list(model.members), [], [], []
        for place, member in enumerate(model.members):
            if not isinstance(member, Model):
                continue
            better, shift = with_prior(
                member, examples.of_class(place), replace(setting, n_classes=2), X,
                codes[:, place].astype(np.int64),
            )  # fmt: skip
            members[place] = better
            name = self.classes[place]
            shares.append((name, float(shift.share[1])))
            surprise.append((name, float(shift.p)))
            corrects += [name] if shift.corrects else []
        figures = {"corrects": corrects, "share": dict(shares), "items": len(X), "p": dict(surprise)}
        return (replace(model, members=tuple(members)) if corrects else model), figures

    def doubts(self, codes: Codes, unseen: Floats) -> list[Doubt]:
        """Find labels class by class, by confident learning; an item may be there for more than one."""
        from tasks.truth.errors import LabelError, suspicious

        found: list[tuple[LabelError, int]] = []
        for place, (column, proba) in enumerate(zip(codes.T, unseen.T, strict=True)):
            if np.isfinite(proba).all():
                told = np.column_stack([1 - proba, proba])
                found += [(one, place) for one in suspicious(told, column.astype(np.int64))]
        found.sort(key=lambda pair: (pair[0].margin, pair[0].row, pair[1]))
        return [self._doubt(one, codes[one.row], place) for one, place in found]

    def _doubt(self, error: Any, given: Indicators, place: int) -> Doubt:
        other = given.copy()
        other[place] = error.suggested
        (suggested,) = texts_of(other[None, :], self.classes)
        name = self.classes[place]
        why = error.why((f"not {name}", name))
        return Doubt(error.row, suggested, error.given_proba, error.suggested_proba, why)

    def describe(
        self,
        strategy: Strategy,
        space: FeatureSpace,
        model: MultiLabelModel,
        examples: Callable[[], SetExamples],
        setting: Setting,
    ) -> Description:
        """Show how sure the model is of an item: committees and leaves are of one class."""
        from tasks.strategies import Description
        from tasks.strategies.multilabel import Proxied

        return Description(space, Proxied(model, self.how))

    def measure(
        self,
        proba: Floats,
        codes: Codes,
        *,
        weight: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> Measured:
        """Estimate the measures, each class by itself too; reliability of all pairs of item and class."""
        from tasks.evaluation import reliability
        from tasks.evaluation.multilabel import estimate_sets, pairs

        found = estimate_sets(proba, codes, weight=weight, level=level)
        told = zip(self.classes, found.per_label, strict=True)
        pictures = {
            "labels": found.counts.tolist(),
            "reliability": bins_of(reliability(*pairs(proba, codes))),
            "per_label": {
                name: {measure: asdict(one) for measure, one in values.items()} for name, values in told
            },
        }
        return Measured(found.overall, pictures, found.by_class)

    def compare(
        self,
        codes: Codes,
        new: Floats,
        old: Floats,
        *,
        weight: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> Comparison:
        """Compare on how many items each has fewer wrong classes."""
        from tasks.evaluation.multilabel import compare_sets

        return compare_sets(codes, new, old, weight=weight, level=level)

    def figures(self, group: str, pictures: dict[str, Any]) -> dict[str, Figure]:
        """Draw what was found and missed of each class, and reliability."""
        from tasks.evaluation import plots

        bins = (np.array(column, dtype=float) for column in pictures["reliability"])
        return {
            f"labels_{group}": plots.label_bars(np.array(pictures["labels"]), self.classes),
            f"reliability_{group}": plots.reliability_diagram(
                *bins, title="Reliability, over classes of items"
            ),
        }
