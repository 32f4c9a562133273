"""The strategy for whoever does not want to choose one."""

from __future__ import annotations

from tasks.strategies.base import Strategy
from tasks.strategies.explore import Explore
from tasks.strategies.margin_kmeans import MarginKMeans


def auto(explore: float = 0.1, beta: float | None = None) -> Strategy:
    """Make clusters of a margin shortlist, with a tenth of the batch at random.

    Margin x k-means (`MarginKMeans`) has the best mean rank of public benchmarks on tables, and in our
    simulations it held where plain margin fell below random: large batches, curved classes. The random share
    (`Explore`) made the difference where labels were wrong and in batches of one. docs/strategies.md has the
    figures.

    Before a model can choose, `ColdStart` chooses, for this strategy as for every other but random.

    Parameters
    ----------
    explore : float
        Share drawn at random.
    beta : float or None
        Candidates of the shortlist for each place of the batch; None: by the number of classes.
    """
    return Explore(MarginKMeans(beta), explore, name="auto")
