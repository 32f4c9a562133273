"""``task: classification``: an item has one class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.targets.base import Believed, Codes, Doubt, Floats, Ints, Measured, Trained, bins_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation import Comparison
    from tasks.features import FeatureSpace
    from tasks.models import Examples, Model, Setting
    from tasks.strategies import Description, Strategy


@dataclass(frozen=True)
class OneClass:
    """One of the campaign's classes; see `tasks.targets.Targets`."""

    classes: tuple[str, ...]
    task: ClassVar[str] = "classification"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Accuracy first."""
        from tasks.evaluation import METRICS

        return METRICS

    def codes(self, labels: Sequence[str]) -> Codes:
        """Give positions in the campaign's class order, int64 (n,)."""
        code = {name: position for position, name in enumerate(self.classes)}
        return np.array([code[label] for label in labels], np.int64)

    def counts(self, codes: Codes) -> list[int]:
        """Count the items of each class."""
        return [int(n) for n in np.bincount(codes, minlength=len(self.classes))]

    def evidence(self, codes: Codes) -> list[int]:
        """Count the items of each class: those of the others tell it from them."""
        return self.counts(codes)

    def questions(self, codes: Codes) -> Iterator[tuple[str, Ints]]:
        """Give the one question."""
        yield "", codes

    def known(self, codes: Codes) -> Ints:
        """Give the classes."""
        return codes

    def predicted(self, codes: Ints) -> list[int]:
        """Count the items of each predicted class."""
        return self.counts(codes)

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
        """Infer one class an item."""
        from tasks.truth import Answers, believe, teaching

        codes = self.codes(answers)
        told = Answers(item, source, codes, len(known), int(source.max(initial=-1)) + 1, len(self.classes))
        proba = witness.astype(np.float64)
        for row, label in enumerate(known):
            if label is not None:
                proba[row] = np.eye(len(self.classes))[self.classes.index(label)]
        silent = ~np.isfinite(proba).all(axis=1)
        proba[silent] = 1 / len(self.classes)
        belief = believe(told, method, None if silent.all() else proba)
        labels = [self.classes[label] for label in belief.labels.tolist()]
        return Believed(labels, belief.confidence, teaching(told, belief), belief)

    def shown(self, label: str) -> str:
        """Give the class's name."""
        return label

    def examples(self, X: Floats, codes: Codes, confidence: NDArray[Any]) -> Examples:
        """Make weighted rows with a class each."""
        from tasks.models import Examples

        return Examples.of(X, codes, confidence, len(self.classes))

    def fit(self, kind: str, examples: Examples, setting: Setting) -> Trained:
        """Train one model."""
        from tasks.models import fit_model

        fitted = fit_model(kind, examples, setting)
        unseen = fitted.unseen
        if unseen is not None:
            # The rows of the labels themselves come first, in the order of the items.
            unseen = unseen[examples.real][: examples.items]
        return Trained(fitted.model, fitted.figures(), unseen)

    def corrected(
        self, model: Model, examples: Examples, setting: Setting, X: Floats, codes: Codes
    ) -> tuple[Model, dict[str, Any]]:
        """Correct the classes' shares."""
        from tasks.models import with_prior

        better, shift = with_prior(model, examples, setting, X, codes)
        figures = {"corrects": shift.corrects, "share": shift.share.tolist(), "items": shift.n, "p": shift.p}
        return better, figures

    def doubts(self, codes: Codes, unseen: Floats) -> list[Doubt]:
        """Find labels by confident learning."""
        from tasks.truth.errors import suspicious

        return [
            Doubt(
                one.row,
                self.classes[one.suggested],
                one.given_proba,
                one.suggested_proba,
                one.why(self.classes),
            )
            for one in suspicious(unseen, codes)
        ]

    def describe(
        self,
        strategy: Strategy,
        space: FeatureSpace,
        model: Model,
        examples: Callable[[], Examples],
        setting: Setting,
    ) -> Description:
        """Train what the strategy looks through beside the model."""
        from tasks.strategies.describe import describe

        return describe(strategy, space, model, examples, setting)

    def measure(
        self,
        proba: Floats,
        codes: Codes,
        *,
        weight: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> Measured:
        """Estimate the measures, each class's too; confusion and reliability for the pictures."""
        from tasks.evaluation import by_class, confusion, estimate, reliability

        pictures = {
            "confusion": confusion(proba, codes, len(self.classes)).tolist(),
            "reliability": bins_of(reliability(proba, codes)),
        }
        found = estimate(proba, codes, weight=weight, level=level)
        return Measured(found, pictures, by_class(proba, codes, weight=weight, level=level))

    def compare(
        self,
        codes: Codes,
        new: Floats,
        old: Floats,
        *,
        weight: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> Comparison:
        """Compare the accuracies."""
        from tasks.evaluation import compare

        return compare(codes, new, old, weight=weight, level=level)

    def figures(self, group: str, pictures: dict[str, Any]) -> dict[str, Figure]:
        """Draw confusion and reliability."""
        from tasks.evaluation import plots

        bins = (np.array(column, dtype=float) for column in pictures["reliability"])
        return {
            f"confusion_{group}": plots.confusion_matrix(np.array(pictures["confusion"]), self.classes),
            f"reliability_{group}": plots.reliability_diagram(*bins),
        }
