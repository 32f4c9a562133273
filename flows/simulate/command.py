"""The verb `simulate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows import console

if TYPE_CHECKING:
    from tasks.simulation.columns import Wanted
    from tasks.simulation.data import LabelledData
    from tasks.simulation.protocol import SimulationProtocol
    from tasks.simulation.treatment import Treatment


@click.command()
@click.argument("data")
@click.option("--label", metavar="COL", help="Column of the classes; else the one called label.")
@click.option(
    "--id", "id_", metavar="COL", help="Column of the ids; else the one called id, if there is one."
)
@click.option("--text", multiple=True, metavar="COL", help="Column to read as text; may be repeated.")
@click.option("--drop", multiple=True, metavar="COL", help="Column to leave out; may be repeated.")
@click.option("--strategies", default="auto,margin,random", show_default=True, help="Separated by commas.")
@click.option(
    "--model",
    "models",
    default="auto",
    show_default=True,
    help="Separated by commas: auto, linear, xgboost, forest, stacked, or xgboost(max_depth=6).",
)
@click.option(
    "--labeling",
    "labelings",
    default="majority",
    show_default=True,
    help="How answers become labels, separated by commas: a truth method, or auto(overlap=2, relabel=auto).",
)
@click.option(
    "--seed-labels", default=20, show_default=True, help="Answers for items drawn at random at the start."
)
@click.option(
    "--batch", default=25, show_default=True, help="Answers bought a step: labels, where an item gets one."
)
@click.option("--budget", default=500, show_default=True, help="Answers in all, the first ones among them.")
@click.option("--repeats", default=10, show_default=True, help="Campaigns a strategy and model.")
@click.option(
    "--test-fraction", default=0.4, show_default=True, help="Share of the items that only measures."
)
@click.option("--noise", default=0.0, show_default=True, help="Share of bought labels that are wrong.")
@click.option(
    "--vendors",
    default="",
    metavar="LIST",
    help="Instead of --noise: a(error=0.1),b(error=[0.1, 0.4]), one error for all classes or one each.",
)
@click.option("--metric", default="accuracy", show_default=True, help="The one to compare by.")
@click.option("--seed", default=0, show_default=True, help="Of splits, first labels, noise and ties.")
@click.option("--jobs", type=click.IntRange(1), help="Campaigns at once; by default one a processor.")
@click.option("--dask", metavar="ADDRESS", help="Run them on this Dask scheduler instead.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout; logs go to stderr.")
def simulate(
    data: str, label: str | None, id_: str | None, text: tuple[str, ...], drop: tuple[str, ...],
    strategies: str, models: str, labelings: str, jobs: int | None, dask: str | None, out: Path | None, as_json: bool,
    **settings: Any,
) -> None:  # fmt: skip
    """Compare strategies, models and ways of labeling on labelled data, before a label is bought.

    DATA is Parquet, CSV or JSON Lines, a path or s3://; columns called id and label are found, features by their
    type. Starts the embedded stack, and leaves it up. Interrupted and started again it goes on where it was.
    Each strategy runs with each model and labeling; differences are to random with the first of both.
    Example: labelrounds simulate mails.parquet --label label --strategies margin,margin_kmeans
    """
    from tasks.simulation.columns import Wanted
    from tasks.simulation.protocol import SimulationProtocol

    # The progress bar says it; Prefect keeps the log of every run.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    protocol = SimulationProtocol(**settings)
    document = _run(
        data, Wanted(label, id_, text, drop), (strategies, models, labelings), protocol, jobs, dask, out
    )
    if as_json:
        console.document(document)
    else:
        from flows.simulate.show import show

        show(document)


def _run(
    data: str, wanted: Wanted, parts: tuple[str, str, str], protocol: SimulationProtocol,
    jobs: int | None, dask: str | None, out: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Check all that can be checked, start the stack, and run."""
    from flows.cli import prefect_ready
    from flows.simulate import request as ask
    from flows.simulate.results import code_digest
    from infra.settings import read_given

    arms = ask.treatments(*parts)
    if dask is not None:
        ask.check_dask(dask)
    if out is not None:
        ask.make_folder(out)
    # Python 3.11 may fail to parse while another thread parses too: done before Prefect has threads.
    code = code_digest()
    home = read_given().home
    loaded, protocol, notes = _load(data, wanted, arms, protocol, home)
    for note in notes:
        console.stderr().print(f"note: {note}")
    with prefect_ready() as settings:
        from flows.simulate.flow import run

        reference, name = ask.keep(loaded, settings), ask.name_of(data)
        folder = out or home / "simulations" / ask.folder_name(name, reference, protocol)
        return run(
            ask.Request(
                name=name, uri=data, data=reference, treatments=arms, protocol=protocol, out=folder.absolute(),
                jobs=jobs or ask.processors(), dask=dask, notes=notes, code=code,
            )
        )  # fmt: skip


def _load(
    data: str, wanted: Wanted, arms: tuple[Treatment, ...], protocol: SimulationProtocol, home: Path
) -> tuple[LabelledData, SimulationProtocol, tuple[str, ...]]:
    """Read the data, try arms and protocol on them, and start the stack; gives what the user should know too."""
    from flows.operate import start_stack
    from flows.simulate import request as ask
    from infra.settings import load_settings

    remote = ask.is_remote(data)
    if remote:
        start_stack(home, None)
    loaded = ask.load_data(data, wanted, load_settings() if remote else None)
    ask.check(arms, loaded.data)
    protocol, cut = ask.fit_protocol(protocol, loaded)
    if not remote:
        start_stack(home, None)
    return loaded.data, protocol, (*loaded.notes(), *cut)
