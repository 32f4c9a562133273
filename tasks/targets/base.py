"""What a campaign asks of an item, as the steps of a round need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.truth.answers import Belief

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation import Comparison, Estimate, Reliability
    from tasks.models import Predictor, Setting
    from tasks.strategies import Description, Strategy
    from tasks.truth import SetBelief

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Codes = NDArray[Any]
"""Labels as numbers, a row an item: int64 (n,) where a label is one class, int8 (n, n_classes) where it is a set."""

E = TypeVar("E")
M = TypeVar("M")


@dataclass(frozen=True)
class Trained:
    """A trained model, and what is known of it.

    Attributes
    ----------
    model : Predictor
    figures : dict
        In plain types, for the record of a round: ``kind``, ``candidates`` and ``calibration`` at least.
    unseen : float32 (n, n_classes) or None
        What models that did not see them say of the labelled items; NaN where nothing is known. None with too few
        labels for that.
    """

    model: Predictor
    figures: dict[str, Any]
    unseen: Floats | None


@dataclass(frozen=True)
class Doubt:
    """A label, or the part of it that is about one class, that a model trained without it does not believe.

    Attributes
    ----------
    row : int
        Position of the item.
    suggested : str
        The label that it should have.
    label_probability, suggested_probability : float
        What the model gives what the label says, and what it should say.
    why : str
        One sentence for people.
    """

    row: int
    suggested: str
    label_probability: float
    suggested_probability: float
    why: str


@dataclass(frozen=True)
class Measured:
    """What labelled items say of a model.

    Attributes
    ----------
    estimates : dict of str to Estimate
        By `Targets.metrics`.
    pictures : dict
        In plain types, what `Targets.figures` draws.
    by_class : dict of str to list of Estimate (n_classes,)
        ``precision`` and ``recall`` of each class.
    """

    estimates: dict[str, Estimate]
    pictures: dict[str, Any]
    by_class: dict[str, list[Estimate]]


@dataclass(frozen=True)
class Believed:
    """What is believed of items, and of who answered.

    Attributes
    ----------
    labels : list of str (n_items,)
    confidence : float64 (n_items,)
    weight : float64 (n_items,)
        With which a model learns each label: less where the answers and an earlier model contradict each other.
    belief : Belief or SetBelief
        As `tasks.truth` infers it.
    """

    labels: list[str]
    confidence: NDArray[np.float64]
    weight: NDArray[np.float64]
    belief: Belief | SetBelief

    @property
    def method(self) -> str:
        """How it was inferred, as it is kept with each label."""
        return self.belief.method if isinstance(self.belief, Belief) else self.belief.per_label[0].method

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """The estimated chance that an answer of each source is right, float64 (n_sources,); of sets, of each class."""
        found = self.belief.accuracy
        return found if found.ndim == 1 else found.mean(axis=0)


class Targets(Protocol[E, M]):
    """What a campaign asks of an item: its class, or the set of its classes.

    E is what its models are trained on, M what they are.
    """

    @property
    def task(self) -> str:
        """As the campaign file calls it."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all measures; the first is the one that is shown and compared by default."""

    def codes(self, labels: Sequence[str]) -> Codes:
        """Read labels as they are stored."""

    def counts(self, codes: Codes) -> list[int]:
        """Count the items of each class."""

    def evidence(self, codes: Codes) -> list[int]:
        """Count the items of each class that a model needs to know it by."""

    def questions(self, codes: Codes) -> Iterator[tuple[str, Ints]]:
        """Give the labels as problems of classification: what each is about, and class codes (n,)."""

    def known(self, codes: Codes) -> Ints:
        """Give what strategies see of labels, int64 (n,)."""

    def predicted(self, codes: Ints) -> list[int]:
        """Count the classes that strategies see predicted; empty where these are not the campaign's."""

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
        """Decide what several answers say of each item.

        Parameters
        ----------
        item, source : int64 (n,)
            The item of each answer, and who gave it, as codes from 0.
        answers : sequence of str (n,)
        method : str
            Of `tasks.truth.METHODS`.
        witness : float32 (n_items, n_classes)
            What a model that did not see the item's answers says of it; NaN where there was none.
        known : sequence of str or None (n_items,)
            Labels that are known: of gold items.
        """

    def shown(self, label: str) -> Any:
        """Give a stored label as JSON should hold it."""

    def examples(self, X: Floats, codes: Codes, confidence: NDArray[Any]) -> E:
        """Make what a model is trained on, from items with their labels and how sure these are."""

    def fit(self, kind: str, examples: E, setting: Setting) -> Trained:
        """Train the model of a round; raises as `tasks.models.fit_model`."""

    def corrected(
        self, model: M, examples: E, setting: Setting, X: Floats, codes: Codes
    ) -> tuple[M, dict[str, Any]]:
        """Correct a model's prior to audited items where they contradict it; the same model where they do not.

        Returns
        -------
        model, figures
            The figures in plain types.
        """

    def doubts(self, codes: Codes, unseen: Floats) -> list[Doubt]:
        """List labels that are probably wrong, the most suspicious first."""

    def describe(
        self, strategy: Strategy, space: Any, model: M, examples: Callable[[], E], setting: Setting
    ) -> Description:
        """Give what a strategy looks through; `examples` is called only where more is to be trained."""

    def measure(
        self,
        proba: Floats,
        codes: Codes,
        *,
        weight: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> Measured:
        """Measure predictions of labelled items; `weight` is one over the chance with which each was drawn."""

    def compare(
        self,
        codes: Codes,
        new: Floats,
        old: Floats,
        *,
        weight: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> Comparison:
        """Compare one model's predictions with another's, on the same items."""

    def figures(self, group: str, pictures: dict[str, Any]) -> dict[str, Figure]:
        """Draw the pictures of a group of labelled items; names end with the group's."""


def bins_of(table: Reliability) -> list[list[float]]:
    """Give what a reliability diagram is drawn from, in plain types."""
    return [table.confidence.tolist(), table.accuracy.tolist(), table.count.tolist()]
