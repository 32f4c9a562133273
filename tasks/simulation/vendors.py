"""Who answers in a simulation: vendors that err, each in a way of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.grammar import Spec, parse_list
from tasks.pool.sampling import purpose_key

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedVendor:
    """A vendor's errors.

    Attributes
    ----------
    name : str
    error : tuple of float
        The chance of a wrong answer: one for all classes, or one for each, in their order.
    """

    name: str
    error: tuple[float, ...]

    def rates(self, n_classes: int) -> NDArray[np.float64]:
        """Give the chance by class, float64 (n_classes,).

        Raises
        ------
        UsageError
            There is another number of classes.
        """
        if len(self.error) not in (1, n_classes):
            raise UsageError(
                f"The vendor {self.name} has {len(self.error)} error rates, and the data {n_classes} classes."
            )
        return np.broadcast_to(np.array(self.error), (n_classes,))


def vendors_of(text: str) -> tuple[SimulatedVendor, ...]:
    """Read vendors.

    Parameters
    ----------
    text : str
        For example ``careful(error=0.05),hasty(error=[0.1, 0.4])``; empty for none.

    Raises
    ------
    UsageError
        It does not follow the grammar, a name is there twice, or a rate is out of range.
    """
    if not text.strip():
        return ()
    try:
        found = parse_list(text)
    except UsageError as error:
        raise UsageError(
            f"The vendors {text!r} cannot be read; they look like careful(error=0.05),hasty(error=[0.1, 0.4])."
        ) from error
    if len({spec.name for spec in found}) < len(found):
        raise UsageError(f"The vendors {text!r} must have different names.")
    return tuple(_vendor(spec) for spec in found)


def _vendor(spec: Spec) -> SimulatedVendor:
    given: Any = spec.params.get("error")
    if spec.parts or set(spec.params) != {"error"}:
        raise UsageError(
            f"The vendor {str(spec)!r} needs its error and nothing else: {spec.name}(error=0.1)."
        )
    rates = given if isinstance(given, list) else [given]
    for rate in rates:
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise UsageError(f"An error rate of the vendor {spec.name} must be 0 to 1, not {rate!r}.")
    return SimulatedVendor(spec.name, tuple(float(rate) for rate in rates))


@dataclass(frozen=True, eq=False)
class Desk:
    """Gives answers: whoever asks the same gets the same, whatever was asked before.

    Attributes
    ----------
    y : int64 (n,)
        The truth of all items.
    n_classes : int
    error : float64 (n_vendors, n_classes)
        The chance of a wrong answer.
    seed : int
        Of the repeat.
    """

    y: Ints
    n_classes: int
    error: NDArray[np.float64]
    seed: int

    @classmethod
    def of(cls, y: Ints, n_classes: int, noise: float, vendors: str, seed: int) -> Desk:
        """Open a desk: with vendors, or with one whose answers are wrong with the chance `noise`."""
        found = vendors_of(vendors) or (SimulatedVendor("noise", (noise,)),)
        return cls(y, n_classes, np.stack([one.rates(n_classes) for one in found]), seed)

    @property
    def n_vendors(self) -> int:
        """Vendors there are."""
        return len(self.error)

    def nth(self, n: int) -> tuple[Ints, Ints]:
        """Give the n-th answer for each item, counted from 0, and who gives it.

        The first answers for an item come from different vendors; once all have answered, from others of theirs.

        Returns
        -------
        labels, vendor : int64 (n_items,)
        """
        rng = np.random.default_rng(purpose_key(self.seed, "noise" if n == 0 else f"noise:{n}"))
        chance = rng.random(len(self.y))
        other = rng.integers(1, self.n_classes, len(self.y))
        vendor = self._order()[:, n % self.n_vendors]
        wrong = chance < self.error[vendor, self.y]
        return np.where(wrong, (self.y + other) % self.n_classes, self.y), vendor

    def _order(self) -> Ints:
        """Give the order in which vendors are asked for each item, int64 (n_items, n_vendors)."""
        rng = np.random.default_rng(purpose_key(self.seed, "vendors"))
        return np.argsort(rng.random((len(self.y), self.n_vendors)), axis=1)
