"""Which strategies can choose by predictions that a campaign brings."""

from __future__ import annotations

from tasks.errors import UsageError
from tasks.strategies.base import Strategy, walk, wants
from tasks.strategies.multilabel import BLIND

_TRAINED = frozenset({"committee_proba", "leaves", "leaf_table"})


def check_strategy_of_predictions(strategy: Strategy, *, several: bool) -> None:
    """Refuse a strategy that reads more than predictions tell.

    Parameters
    ----------
    strategy : Strategy
    several : bool
        Whether an item has several rows of probabilities: then there is its uncertainty, and no class.

    Raises
    ------
    UsageError
    """
    read = sorted(wants(strategy) & BLIND if several else strategy.needs & _TRAINED)
    if read:
        raise UsageError(
            f"The strategy {strategy.name!r} reads {', '.join(read)}, which predictions have not. Choose one that "
            "reads probabilities and features: auto, margin, margin_kmeans, cluster_margin, kcenter."
        )
    for part in walk(strategy) if several else ():
        if getattr(part, "n_classes", None) is not None:
            raise UsageError(
                f"The strategy {part.name!r} is made for items of one class; these have several rows of predictions."
            )
