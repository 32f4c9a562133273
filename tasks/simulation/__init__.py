"""Campaigns against known labels: which strategy pays, before a label is bought.

Noise, splits, first labels and seeds depend on the repeat alone, so that arms differ in nothing but what they
choose. From `Candidates` on the code is that of a round.
"""

from tasks.simulation.data import LabelledData
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.run import Curve, full_pool, run_repeat
from tasks.simulation.split import Split, split

__all__ = ["Curve", "LabelledData", "SimulationProtocol", "Split", "full_pool", "run_repeat", "split"]
