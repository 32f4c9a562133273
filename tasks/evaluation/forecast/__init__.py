"""Forecasts of what the next labels buy: from the audit, and from models of fewer labels on unlabelled items.

A round trains models on the subsets that `subsets` names, has them and the last rounds' models predict a random sample
of the pool, passes all to `gathered`, and asks `forecast`.
"""

from tasks.evaluation.forecast.curve import Bend
from tasks.evaluation.forecast.evidence import Evidence, Point, Weaker, gathered
from tasks.evaluation.forecast.predict import Forecast, Forecasts, NoForecast, forecast
from tasks.evaluation.forecast.subsample import subsets
from tasks.evaluation.forecast.tune import Case, tuned

__all__ = [
    "Bend",
    "Case",
    "Evidence",
    "Forecast",
    "Forecasts",
    "NoForecast",
    "Point",
    "Weaker",
    "forecast",
    "gathered",
    "subsets",
    "tuned",
]
