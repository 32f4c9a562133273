"""Beside a trace: what random labels would have given, in truth and as far as a campaign can know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.savings import random_subsets
from tasks.models import fit_model
from tasks.models.refit import refit
from tasks.simulation.choice import Labelled, named
from tasks.simulation.streamed import StreamedCampaign
from tasks.simulation.training import examples_of

if TYPE_CHECKING:
    from tasks.models import Examples, Model

Ints = NDArray[np.int64]

SIZES = 9
"""Models of the random arm, from the first labels to the whole pool."""


def random_arm(campaign: StreamedCampaign, kind: str) -> dict[str, NDArray[Any]]:
    """Train on random labels alone.

    Parameters
    ----------
    campaign : StreamedCampaign
        Its draws are the same whether or not it has run.
    kind : str
        Of all models: the one of the campaign's last.

    Returns
    -------
    dict of str to array
        ``random_labels``, ``random_test``, ``own_sizes`` and ``own_pool`` of `tasks.simulation.trace`.
    """
    own = campaign.random_rows
    order = np.concatenate([own, campaign.draw("random arm").permutation(campaign.buyable)])
    sizes = np.unique(np.geomspace(len(campaign.first), len(order), SIZES).round().astype(np.int64))
    tests = [campaign.score(_trained(campaign, kind, order[:size])) for size in sizes]
    return {
        "random_labels": sizes,
        "random_test": np.stack(tests),
        **_own_curve(campaign, _trained(campaign, kind, own), own),
    }


def _own_curve(campaign: StreamedCampaign, model: Model, own: Ints) -> dict[str, NDArray[Any]]:
    """Train on subsets of the random labels that the campaign has, and predict the sample of the pool."""
    subsets = random_subsets(len(own), campaign.parts.seed)
    X, width = campaign.data.X[campaign.sample], len(campaign.data.classes)
    pool = np.zeros((len(subsets), len(X), width), np.float16)
    for number, places in enumerate(subsets):
        whole = len(places) == len(own)
        examples = _examples(campaign, own[places])
        pool[number] = (model if whole else refit(model, examples, campaign.trainer.setting)).predict(X)
    return {"own_sizes": np.array([len(places) for places in subsets], np.int64), "own_pool": pool}


def _trained(campaign: StreamedCampaign, kind: str, rows: Ints) -> Model:
    return fit_model(kind, _examples(campaign, rows), campaign.trainer.setting).model


def _examples(campaign: StreamedCampaign, rows: Ints) -> Examples:
    return examples_of(campaign.data, Labelled(rows, campaign.data.y[rows], named("", len(rows))))
