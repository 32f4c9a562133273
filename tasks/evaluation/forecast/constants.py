"""The constants of the forecast, as `labelrounds bench forecast --campaigns 4` found them on its five data sets."""

from __future__ import annotations

from tasks.evaluation.forecast.curve import Bend

WITH_MODELS = {
    "accuracy": Bend(start=0.127, share=0.386, fading=0.195, noise=0.124, doubt=0.595),
    "macro_f1": Bend(start=0.194, share=0.312, fading=0.267, noise=0.133, doubt=0.747),
    "log_loss": Bend(start=0.072, share=0.353, fading=0.242, noise=0.058, doubt=0.901),
    "auc": Bend(start=0.164, share=0.246, fading=0.221, noise=0.05, doubt=0.864),
}
"""By metric, for the slope that models of fewer labels show."""
FROM_ROUNDS = {
    "accuracy": Bend(start=0.061, share=0.704, fading=0.993, noise=0.05, doubt=1.133),
    "macro_f1": Bend(start=0.205, share=0.413, fading=0.95, noise=0.05, doubt=1.095),
    "log_loss": Bend(start=0.031, share=0.616, fading=0.517, noise=0.05, doubt=1.085),
    "auc": Bend(start=0.258, share=0.212, fading=0.45, noise=0.05, doubt=0.812),
}
"""And for the slope of the rounds' own points."""
_LIKE = {"average_precision": "auc", "ece": "log_loss", "balanced_accuracy": "macro_f1"}


def bend_of(metric: str, *, models: bool) -> Bend:
    """Give the constants of a metric; of one without its own, those of the one that is most like it."""
    found = WITH_MODELS if models else FROM_ROUNDS
    name = _LIKE.get(metric, metric)
    return found.get(name, found["macro_f1" if "f1" in name or "precision" in name else "accuracy"])
