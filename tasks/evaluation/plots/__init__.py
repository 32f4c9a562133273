"""Pictures of a campaign: arrays in, a matplotlib `Figure` out.

No pyplot and no global style, so that threads may draw at once. Colours are those of Okabe and Ito (2008,
"Color Universal Design"), told apart by colour-blind readers; what a colour says is also said by a label, a
marker or a line style. Figures are 900 x 600 pixels, at most 1100 x 900, whatever the number of classes.
"""

from tasks.evaluation.plots.bars import class_bars, drift_bars, overlap_bars
from tasks.evaluation.plots.curve import Curve, learning_curve
from tasks.evaluation.plots.money import burn_down, spend
from tasks.evaluation.plots.progress import class_balance
from tasks.evaluation.plots.quality import confusion_matrix, reliability_diagram
from tasks.evaluation.plots.scores import score_histogram
from tasks.evaluation.plots.sets import label_bars
from tasks.evaluation.plots.signals import signal_panels

__all__ = [
    "Curve",
    "burn_down",
    "class_balance",
    "class_bars",
    "confusion_matrix",
    "drift_bars",
    "label_bars",
    "learning_curve",
    "overlap_bars",
    "reliability_diagram",
    "score_histogram",
    "signal_panels",
    "spend",
]
