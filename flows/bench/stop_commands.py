"""The verbs `labelrounds bench stopping` and `labelrounds bench guards`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows import console

if TYPE_CHECKING:
    from flows.bench.guards import Looked
    from tasks.simulation.data import LabelledData

F = TypeVar("F", bound=Callable[..., Any])


def _of_campaigns(*, repeats: int, seed_labels: int, batch: int, budget: int) -> Callable[[F], F]:
    """Add the options of simulated campaigns."""
    options = (
        click.option("--label", metavar="COL", help="Column of the classes; else the one called label."),
        click.option("--repeats", default=repeats, show_default=True, type=click.IntRange(1), help="Campaigns."),
        click.option("--seed-labels", default=seed_labels, show_default=True, help="Random labels at the start."),
        click.option("--batch", default=batch, show_default=True, help="Labels bought a round."),
        click.option("--budget", default=budget, show_default=True, help="Labels in all."),
        click.option("--test-fraction", default=0.3, show_default=True, help="Share of the items that measures."),
        click.option("--seed", default=0, show_default=True, help="Of all that is random."),
        click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; progress goes to stderr."
        ),
    )  # fmt: skip

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command("stopping")
@click.argument("data")
@click.option("--strategy", default="auto", show_default=True, help="As in a campaign.")
@click.option("--model", default="auto", show_default=True, help="As in a campaign.")
@click.option("--metric", default="accuracy", show_default=True, help="That is worth something.")
@click.option(
    "--worth",
    "worths",
    default="100,200,500,1000",
    show_default=True,
    help="Labels that .01 of the metric is worth, separated by commas: each has a best point of its own.",
)
@click.option(
    "--target", type=click.FloatRange(0, 1), help="Count how often this target stops, and how often wrongly."
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder where campaigns are kept, and found again.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw where the plateau by worth stops, for the first --worth.",
)
@_of_campaigns(repeats=20, seed_labels=50, batch=100, budget=1050)
def stopping(
    data: str, label: str | None, strategy: str, model: str, metric: str, worths: str, target: float | None,
    keep: Path | None, picture: Path | None, as_json: bool, **settings: Any,
) -> None:  # fmt: skip
    """Show where stop rules stop simulated campaigns, and how far that is from the best point in hindsight.

    DATA is a labelled file, as for `simulate`, or a set by its name: breast, digits, rare, slow, spam. A tenth of the
    labels is an audit; rules see what a campaign sees.
    Example: labelrounds bench stopping mails.parquet --worth 100,500 --repeats 20 --keep traces
    """
    from flows.bench.stopping import draw, table, traces_of
    from tasks.campaign.values import METRICS_OF_TASK
    from tasks.errors import UsageError
    from tasks.evaluation import LOSSES
    from tasks.simulation.protocol import SimulationProtocol
    from tasks.simulation.replay import recorded
    from tasks.simulation.treatment import Treatment

    if metric not in METRICS_OF_TASK["classification"] or metric in LOSSES:
        raise UsageError(f"--metric {metric}: must be one of which more is better, such as accuracy.")
    points = _numbers(worths)
    protocol = SimulationProtocol(**settings)
    with _progress() as progress:
        bar = progress.add_task("reading", total=None)
        found = []
        for trace in traces_of(
            lambda: _load(data, label), Path(data).stem, Treatment(strategy, model), protocol, keep,
            lambda said: progress.update(bar, description=said),
        ):  # fmt: skip
            found.append(recorded(trace, metric))
            progress.update(bar, description=f"{len(found)} of {protocol.repeats} campaigns")
    document = table(found, points, target)
    if picture is not None:
        draw(found, points[0], picture, Path(data).stem)
    if as_json:
        console.document(document)
        return
    for worth in points:
        rows = [one for one in document["outcomes"] if one["worth"] == worth]
        title = (
            f".01 of {metric} is worth {worth:g} labels: best to stop at {rows[0]['best']:.0f} (median of "
            f"{document['campaigns']} campaigns; of their mean {rows[0]['best_mean']:.0f})"
        )
        console.show_rows(
            title,
            [
                {
                    "rule": one["rule"], "stops at": f"{one['stop']:.0f}", "off its own best": f"{one['off']:.0%}",
                    "off the mean's best": f"{one['off_mean']:.0%}",
                    "within a fifth": f"{one['within']:.0%}", "lost": f"{one['lost']:.0f}",
                }
                for one in rows
            ],
        )  # fmt: skip
    if target is not None:
        for name, said in (
            ("target", f"target {target:g}"),
            ("out_of_reach", "a target just out of reach"),
            ("out_of_reach_usual", "the same, by an ordinary 95 % interval in each round"),
        ):
            told = document[name]
            console.stdout().print(
                f"{said}: {told['stopped']} campaigns stopped, {told['wrong']} of them wrongly"
            )


@click.command("guards")
@click.argument("data")
@click.option("--strategies", default="auto,margin,random", show_default=True, help="Separated by commas.")
@click.option("--model", default="linear", show_default=True, help="As in a campaign.")
@_of_campaigns(repeats=3, seed_labels=20, batch=50, budget=520)
def guards(data: str, label: str | None, strategies: str, model: str, as_json: bool, **settings: Any) -> None:
    """Count how often guards trip in ordinary campaigns, and how often they find what is planted.

    DATA is a labelled file, as for `simulate`, or a set by its name: breast, digits, rare, slow, spam.
    Example: labelrounds bench guards mails.parquet --strategies auto,margin --repeats 5
    """
    from flows.bench.guards import bench_guards
    from tasks.simulation.protocol import SimulationProtocol
    from tasks.strategies import parse_list

    protocol = SimulationProtocol(**settings)
    wanted = [str(spec) for spec in parse_list(strategies)]
    loaded = _load(data, label)
    found: list[Looked] = []
    with _progress() as progress:
        bar = progress.add_task("looking", total=None)
        for one in bench_guards(loaded, wanted, model, protocol):
            found.append(one)
            progress.update(bar, description=f"{one.strategy}, campaign {one.repeat + 1}, round {one.round}")
    rows = counted(found)
    if as_json:
        console.document({"rounds": rows})
    else:
        console.show_rows(f"{Path(data).name}, {model}", rows)


def counted(found: Iterable[Looked]) -> list[dict[str, Any]]:
    """Count rounds, and those in which a guard tripped, by guard and fault."""
    rounds: Counter[tuple[str, str]] = Counter()
    tripped: Counter[tuple[str, str]] = Counter()
    for one in found:
        key = (one.signal.name, one.planted)
        rounds[key] += 1
        tripped[key] += one.signal.tripped
    return [
        {
            "guard": guard,
            "planted": planted,
            "rounds": rounds[guard, planted],
            "tripped": tripped[guard, planted],
        }
        for guard, planted in sorted(rounds)
    ]


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console.stderr(), transient=True)


def _numbers(text: str) -> list[float]:
    from tasks.errors import UsageError

    try:
        found = [float(word) for word in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--worth {text}: must be numbers, separated by commas.") from error
    if min(found) <= 0:
        raise UsageError(f"--worth {text}: must be above 0.")
    return found


def _load(data: str, label: str | None) -> LabelledData:
    from tempfile import TemporaryDirectory

    from flows.bench.forecast_sets import SETS, load_known
    from flows.simulate.request import load_data
    from tasks.simulation.columns import Wanted

    if data in SETS:
        with TemporaryDirectory(prefix="labelrounds-bench-") as folder:
            return load_known(data, Path(folder))
    loaded = load_data(data, Wanted(label, None, (), ()), None)
    for note in loaded.notes():
        console.stderr().print(f"note: {note}")
    return loaded.data
