"""Campaigns against known labels: which strategy and which model pay, before a label is bought.

Noise, splits, first labels and seeds depend on the repeat alone, so that arms differ in nothing but how they choose
and learn. From `Candidates` on the code is that of a round.
"""

from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.run import Curve, full_pool, run_repeat
from tasks.simulation.split import Split, split
from tasks.simulation.treatment import Treatment

__all__ = [
    "Curve",
    "LabelledData",
    "SimulationProtocol",
    "Split",
    "Treatment",
    "full_pool",
    "run_repeat",
    "split",
]
