"""What a campaign says about its own predictions, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

SETTLED = ("settled", "unsure")
"""What the two numbers of an item of several rows stand for: 1 - u and u, with u in [0, .5]."""


@dataclass(frozen=True)
class PredictionSpec:
    """Where predictions lie, and how they are read.

    Attributes
    ----------
    uri : str
        Prefix of the objects, or one object.
    id : str
        The column with the items' ids.
    classes : tuple of str
        In the order of the probabilities.
    proba : str
        The column of lists: of probabilities, or of rows of probabilities.
    columns : tuple of str
        A column of numbers for each class, in their order; takes the place of `proba` where there are any.
    aggregate : {'max', 'mean', 'sum'} or None
        How the uncertainties of an item's rows are joined; None where an item has one row.
    measure : {'least_confidence', 'margin', 'entropy'}
        How unsure a row of several is.
    """

    uri: str
    id: str
    classes: tuple[str, ...]
    proba: str = "proba"
    columns: tuple[str, ...] = ()
    aggregate: str | None = None
    measure: str = "margin"

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that are read."""
        return (self.id, *(self.columns or (self.proba,)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers that are kept of an item: the classes, or what `SETTLED` says."""
        return self.classes if self.aggregate is None else SETTLED
