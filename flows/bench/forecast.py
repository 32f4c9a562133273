"""Forecasts and savings against what came, on simulated campaigns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.bench.forecast_sets import SETS, Known, load_known
from tasks.errors import UsageError

if TYPE_CHECKING:
    from tasks.evaluation.savings import Savings
    from tasks.simulation.backtest import Outcome, Spared
    from tasks.simulation.trace import Trace

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to simulate and to measure.

    Parameters
    ----------
    sets
        Names or files; a file's campaign is that of ``spam``.
    campaigns
        Of each set.
    rounds
        Of each campaign.
    metrics
        To forecast.
    models
        With models of fewer labels; otherwise from the rounds' audit alone.
    savings
        Run the random arm too.
    keep
        Folder of the traces, which are made only where they are not there.
    """

    sets: tuple[str, ...]
    campaigns: int
    rounds: int
    metrics: tuple[str, ...]
    models: bool
    savings: bool
    keep: Path


def bench_forecast(plan: Plan, progress: Progress) -> dict[str, Any]:
    """Make the traces that are missing, forecast at each step of each, and compare.

    Returns
    -------
    dict
        ``forecasts`` and ``savings`` (rows of figures by metric, horizon and data set), and ``constants``: for each
        metric and data set those tuned on the other sets, which the forecasts used, and those of all sets.
    """
    from tasks.evaluation.forecast import tuned
    from tasks.simulation import backtest

    traces = list(_traces(plan, progress))
    forecasts: list[dict[str, Any]] = []
    savings: list[dict[str, Any]] = []
    constants: dict[str, dict[str, Any]] = {}
    for metric in plan.metrics:
        progress(f"forecasting {metric}")
        stands = [one for trace in traces for one in backtest.stands(trace, [metric], models=plan.models)]
        bends = backtest.left_out(stands)
        cases = [case for stand in stands for case in stand.cases()]
        every = {"all": tuned(cases)} if cases else {}
        constants[metric] = {name: asdict(bend) for name, bend in (bends | every).items()}
        forecasts += _rows(backtest.outcomes(stands, bends), metric)
        spared = [one for trace in traces if (one := backtest.spared(trace, metric)) is not None]
        savings += _savings_rows(spared, metric)
    return {
        "plan": {**asdict(plan), "keep": str(plan.keep)},
        "left_out": bool(len({trace.meta["data"] for trace in traces}) >= 3),
        "forecasts": forecasts,
        "savings": savings,
        "constants": constants,
    }


def draw(plan: Plan, path: Path) -> None:
    """Draw the first campaign's forecasts after half of its rounds; its trace must be there."""
    from flows.bench.forecast_picture import forecast_picture
    from tasks.simulation.trace import Trace

    trace = Trace.load(_path(plan, plan.sets[0], 0))
    forecast_picture(trace, plan.metrics[0], plan.rounds // 2).savefig(path, format="png")


def _path(plan: Plan, name: str, campaign: int) -> Path:
    return plan.keep / f"{Path(name).stem}-{campaign:02d}.npz"


def _traces(plan: Plan, progress: Progress) -> Iterator[Trace]:
    plan.keep.mkdir(parents=True, exist_ok=True)
    for name in plan.sets:
        made = _Maker(name, plan, progress)
        for campaign in range(plan.campaigns):
            yield made.trace(campaign)


class _Maker:
    """Makes or reads the traces of one data set; the data are read when the first is missing."""

    def __init__(self, name: str, plan: Plan, progress: Progress) -> None:
        self.name, self.plan, self.progress = name, plan, progress
        self.known: Known = SETS.get(name, SETS["spam"])
        self.data: Any = None

    def trace(self, campaign: int) -> Trace:
        """Give one campaign's trace."""
        from tasks.simulation.protocol import SimulationProtocol
        from tasks.simulation.trace import Trace, make_trace
        from tasks.simulation.treatment import Treatment

        path = _path(self.plan, self.name, campaign)
        if path.exists():
            found = Trace.load(path)
            if found.steps != self.plan.rounds + 1:
                raise UsageError(
                    f"{path} has {found.steps - 1} rounds, not {self.plan.rounds}: give --rounds {found.steps - 1}, "
                    "or another folder to --keep."
                )
            return found
        self.data = self.data or load_known(self.name, self.plan.keep)
        known = self.known
        budget = known.seed_labels + self.plan.rounds * known.batch
        protocol = SimulationProtocol(
            seed_labels=known.seed_labels, batch=known.batch, budget=budget, test_fraction=known.test_fraction
        )
        made = make_trace(
            self.data, Treatment("auto", known.model), protocol, campaign, name=Path(self.name).stem,
            random=self.plan.savings, said=self.progress,
        )  # fmt: skip
        made.save(path)
        return made


def _rows(outcomes: Sequence[Outcome], metric: str) -> list[dict[str, Any]]:
    """Summarise by horizon and data set, all sets together last."""
    rows = []
    for horizon in dict.fromkeys(one.horizon for one in outcomes):
        here = [one for one in outcomes if one.horizon == horizon]
        names = list(dict.fromkeys(one.data for one in here))
        parts = [(name, [one for one in here if one.data == name]) for name in names]
        for name, part in [*parts, ("all", here)] if len(parts) > 1 else parts:
            rows.append({"metric": metric, "horizon": horizon, "data": name, **_figures(part)})
    return rows


def _figures(part: Sequence[Outcome]) -> dict[str, Any]:
    def mean(values: list[float]) -> float:
        return round(float(np.mean(values)), 4)

    return {
        "forecasts": len(part),
        "no_change": mean([abs(one.last - one.then) for one in part]),
        "smoothed_level": mean([abs(one.level - one.then) for one in part]),
        "forecast": mean([abs(one.said.value - one.then) for one in part]),
        "gain_error": mean([abs(one.gain.value - (one.now - one.then)) for one in part]),
        "gain_is_zero_error": mean([abs(one.now - one.then) for one in part]),
        "covers": mean([one.covered for one in part]),
        "gain_covers": mean([one.gain_covered for one in part]),
        "width": mean([one.said.high - one.said.low for one in part]),
        "gain_width": mean([one.gain.high - one.gain.low for one in part]),
    }


def _savings_rows(spared: Sequence[Spared], metric: str) -> list[dict[str, Any]]:
    from tasks.evaluation.savings import Savings as Told

    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(one.data for one in spared):
        here = [one for one in spared if one.data == name]
        told = [(one, one.told) for one in here if isinstance(one.told, Told)]
        rows.append({"metric": metric, "data": name, "campaigns": len(here), **_told(told)})
    return rows


def _told(told: list[tuple[Spared, Savings]]) -> dict[str, Any]:
    if not told:
        return dict.fromkeys(("of", "needed", "largest", "said", "at_least", "open", "covers"))
    return {
        "of": told[0][1].of,
        "needed": _median([one.needed for one, _ in told]),
        "largest": told[0][0].most,
        "said": _median([said.labels for _, said in told]),
        "at_least": _median([said.low for _, said in told]),
        "open": sum(said.high is None for _, said in told),
        "covers": round(float(np.mean([one.covered for one, _ in told])), 3),
    }


def _median(values: Sequence[float | None]) -> float | None:
    """Give the median where None lies beyond every number; None where it is beyond."""
    middle = float(np.median([np.inf if one is None else one for one in values]))
    return round(middle) if np.isfinite(middle) else None
