"""Where stop rules stop simulated campaigns, and where it would have been best to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import UsageError
from tasks.evaluation.stop import Plateau, Stable, StopRules, Uncertainty

if TYPE_CHECKING:
    from tasks.simulation.data import LabelledData
    from tasks.simulation.protocol import SimulationProtocol
    from tasks.simulation.replay import Recorded
    from tasks.simulation.trace import Trace
    from tasks.simulation.treatment import Treatment

NEVER = "never"


def rules(metric: str) -> dict[str, StopRules]:
    """Give the rules that are tried, by name; one that counts money is told what a point is worth."""
    worth = {
        f"plateau, worth, {rounds} in a row": StopRules(plateau=Plateau(metric, rounds, worth=1.0))
        for rounds in (1, 2)
    }
    gains = {
        f"plateau, min_gain {gain:g}, {rounds} in a row": StopRules(plateau=Plateau(metric, rounds, gain))
        for gain, rounds in ((0.01, 1), (0.005, 1), (0.002, 2))
    }
    stable = {f"stable, {rounds} rounds": StopRules(stable=Stable(0.99, rounds)) for rounds in (2, 3)}
    unsure = {
        f"uncertainty below {below:g}": StopRules(uncertainty=Uncertainty(below)) for below in (0.02, 0.01)
    }
    together = {
        "plateau, worth, and stable, 2 rounds": StopRules(
            plateau=Plateau(metric, 1, worth=1.0), stable=Stable(0.99, 2), combine="all"
        )
    }
    return {**worth, **gains, **stable, **unsure, **together, NEVER: StopRules()}


def traces_of(
    load: Callable[[], LabelledData],
    name: str,
    treatment: Treatment,
    protocol: SimulationProtocol,
    folder: Path | None,
    said: Callable[[str], None] = lambda _: None,
) -> Iterator[Trace]:
    """Run the campaigns, or read those that an earlier run left.

    Parameters
    ----------
    load : callable
        Reads the data; asked once, and only where a campaign must be run.
    name : str
        Of the data.
    folder : Path or None
        Where traces are kept, and looked for; None keeps none.
    said : callable
        Is told of each step.

    Raises
    ------
    UsageError
        The folder holds traces of other campaigns under the same name.
    """
    from tasks.simulation.trace import Trace, make_trace

    data: LabelledData | None = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for repeat in range(protocol.repeats):
        path = None if folder is None else folder / f"{name}-{repeat:02d}.npz"
        if path is not None and path.exists():
            found = Trace.load(path)
            _check(found, path, treatment, protocol)
        else:
            data = data or load()
            found = make_trace(data, treatment, protocol, repeat, name=name, said=said)
            if path is not None:
                found.save(path)
        yield found


def _check(trace: Trace, path: Path, treatment: Treatment, protocol: SimulationProtocol) -> None:
    wanted = (treatment.strategy, treatment.model, protocol.batch, protocol.seed_labels)
    told = (*(trace.meta[key] for key in ("strategy", "model", "batch")), int(trace["labels"][0]))
    if told != wanted:
        raise UsageError(f"{path} is of another campaign, {told}, not {wanted}; name another folder.")


def table(campaigns: Sequence[Recorded], worths: Sequence[float], target: float | None) -> dict[str, Any]:
    """Hold all rules against hindsight.

    Parameters
    ----------
    worths : sequence of float
        Labels that .01 of the metric is worth; each sets another best point.
    target : float or None
        Of which stops before the true metric reached it are counted.

    Returns
    -------
    dict
        ``outcomes``: one for each rule and worth. With a target, how many campaigns it stopped, and how many wrongly;
        ``out_of_reach``: the same of a target that each campaign just misses, and by ordinary intervals.
    """
    from tasks.simulation.replay import false_stops, outcome

    metric = campaigns[0].metric
    found = [
        asdict(outcome(name, one, campaigns, worth))
        for worth in worths
        for name, one in rules(metric).items()
    ]
    document: dict[str, Any] = {"campaigns": len(campaigns), "metric": metric, "outcomes": found}
    if target is not None:
        for name, value, usual in (
            ("target", target, False),
            ("out_of_reach", None, False),
            ("out_of_reach_usual", None, True),
        ):
            stopped, wrong = false_stops(campaigns, value, usual=usual)
            document[name] = {"value": value, "stopped": stopped, "wrong": wrong}
    return document


def draw(campaigns: Sequence[Recorded], worth: float, path: Path, name: str) -> None:
    """Draw where the plateau by worth stops."""
    from dataclasses import replace

    from flows.bench.stop_picture import stop_picture
    from tasks.simulation.replay import stop_step

    rule = next(iter(rules(campaigns[0].metric)))
    chosen = rules(campaigns[0].metric)[rule]
    assert chosen.plateau is not None
    priced = replace(chosen, plateau=replace(chosen.plateau, worth=worth))
    stops = [stop_step(one, priced) for one in campaigns]
    title = f"{name}: .01 of {campaigns[0].metric} is worth {worth:g} labels"
    stop_picture(campaigns, stops, worth, rule=rule, title=title).savefig(path)
