"""Traces: simulated campaigns with an audit stream, and all that forecasts and stop rules are tried on.

A trace is one campaign of R rounds on known data. Step s (0 to R) is the state after s batches: its model is trained on
all labels bought so far but the audit's. A share of every purchase, the first one included, is a uniform audit. The
audit's items are drawn before the campaign begins, and no strategy may choose them; nor those of the pool's sample,
for of a pool as large as real ones are next to nothing of a sample is bought.

Layout of the npz file (`Trace.save`); S = R + 1 steps, A audit items in all, k sub-sampled models a step, m pool items,
n test items, c classes, M metrics in the order of `tasks.evaluation.METRICS`:

==================  =================  ========================================================================
``meta``            JSON text          data, strategy, model, seed, batch, audit_share, classes, kinds (one a
                                       step), metrics, seconds_train, seconds_subsets (processor time, a step)
``labels``          int64 (S,)         bought in all: trained on and audit
``trained``         int64 (S,)         trained on
``audited``         int64 (S,)         audit items labelled by then: the first so many of the A
``audit_y``         int64 (A,)         their classes, in order of purchase
``audit_proba``     float32 (S,A,c)    what each step's model says of *all* audit items. Those after the first
                                       ``audited[s]`` have no label yet at step s
``pool_proba``      float32 (S,m,c)    of a fixed random sample of the pool, which no strategy may choose from
``pool_y``          int64 (m,)         truth of that sample, which no campaign knows
``sub_sizes``       int64 (S,k)        labels of each sub-sampled model; 0 where none was trained
``sub_audit``       float32 (S,k,A,c)  what they say of the audit items
``sub_pool``        float16 (S,k,m,c)  and of the sample of the pool
``rows``            int64 (N,)         what was trained on, in order of purchase: the first ``trained[s]`` at step s
``rows_y``          int64 (N,)         their classes
``unseen``          float32 (S,N,c)    what models that did not see them say of them at step s; NaN from
                                       ``trained[s]`` on, and with too few labels for folds
``first``           int64 ()           how many of ``rows`` were drawn at random at the start
``test``            float64 (S,M)      the truth: metrics of each step's model on the test part
``sub_test``        float64 (S,k,M)    of the sub-sampled models
``random_labels``   int64 (q,)         labels of models trained on a random draw that contains the first labels and
                                       the audit; empty where no such arm was run
``random_test``     float64 (q,M)      their metrics on the test part
``own_sizes``       int64 (p,)         labels of models that `tasks.evaluation.savings` asks for, trained on the random
                                       labels that the campaign has at its end: the first ones, and the audit's
``own_pool``        float16 (p,m,c)    what they say of the sample of the pool
==================  =================  ========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import METRICS
from tasks.grammar import parse
from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.random_arm import random_arm
from tasks.simulation.split import split
from tasks.simulation.streamed import StreamedCampaign
from tasks.simulation.treatment import Treatment, model_specs

AUDIT_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Trace:
    """One simulated campaign; see the module's description of the arrays.

    Attributes
    ----------
    meta : dict
    arrays : dict of str to array
    """

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    @property
    def steps(self) -> int:
        """States of the campaign: its rounds and the beginning."""
        return len(self.arrays["labels"])

    def truth(self, metric: str) -> NDArray[np.float64]:
        """Give a metric of each step's model on the test part, float64 (S,)."""
        return np.asarray(self.arrays["test"][:, METRICS.index(metric)], np.float64)

    def save(self, path: Path) -> None:
        """Write it as npz; a file of that name is replaced only when all is written."""
        part = path.with_suffix(".part")
        write: Callable[..., None] = np.savez_compressed
        with part.open("wb") as file:
            write(file, meta=np.array(json.dumps(self.meta)), **self.arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Trace:
        """Read what `save` wrote."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files if name != "meta"}
            return cls(json.loads(str(file["meta"])), arrays)


def make_trace(
    data: LabelledData,
    treatment: Treatment,
    protocol: SimulationProtocol,
    repeat: int,
    *,
    name: str,
    audit_share: float = AUDIT_SHARE,
    random: bool = True,
    said: Callable[[str], None] = lambda _: None,
) -> Trace:
    """Run a campaign and keep what it saw, on one thread.

    Parameters
    ----------
    data : LabelledData
    treatment : Treatment
        Strategy and model; one answer an item, which is right.
    protocol : SimulationProtocol
        Its labels count the audit's too.
    repeat : int
        Decides split, first labels, audit and seeds.
    name : str
        Of the data, for ``meta``.
    audit_share : float
        Of each purchase, 0 to 1.
    random : bool
        Whether to run the random arm too.
    said : callable
        Is told of each step.
    """
    from threadpoolctl import threadpool_limits

    (model,) = model_specs(treatment.model)
    with threadpool_limits(limits=1):
        parts = split(data.y, len(data.classes), protocol, repeat)
        steps = protocol.fitted(len(parts.pool)).steps()
        campaign = StreamedCampaign(
            data, parse(treatment.strategy), model, protocol, parts, steps, audit_share
        )
        for step in range(len(steps)):
            campaign.step(step)
            said(f"{name} {repeat}: round {step} of {len(steps) - 1}")
        arrays = campaign.arrays()
        if random:
            said(f"{name} {repeat}: random labels")
            arrays |= random_arm(campaign, campaign.trainer.kinds[-1])
    meta = {
        "data": name, "strategy": treatment.strategy, "model": treatment.model, "seed": repeat,
        "batch": protocol.batch, "audit_share": audit_share, "classes": list(data.classes),
        "metrics": list(METRICS), **campaign.told(),
    }  # fmt: skip
    return Trace(meta, arrays)
