"""The command `labelrounds`.

Every verb starts fast: what is heavy is imported when it is needed, after the settings are in the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows import console
from flows.bench.command import bench
from flows.money.command import money
from flows.names import is_file_name
from flows.outlook_commands import forecast, resume
from flows.queue_commands import queue
from flows.simulate.command import simulate
from flows.vendor.group import vendor
from infra.settings import QUIET, load_settings, read_given
from tasks.errors import LabelRoundsError, ServiceUnavailable, UsageError

if TYPE_CHECKING:
    from infra.settings import Settings
    from tasks.campaign import Campaign

JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; logs go to stderr."
)
CAMPAIGN = click.argument("campaign")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="labelrounds")
def cli() -> None:
    """Active learning as an operation: rounds that pick what is worth labeling, and vendors who label it.

    Begin with `labelrounds demo`.
    """


cli.add_command(bench)


cli.add_command(simulate)


cli.add_command(queue)


cli.add_command(forecast)


cli.add_command(resume)


cli.add_command(money)


cli.add_command(vendor)


def main() -> None:
    """Run the command; errors that we raise on purpose end in one line and their exit code."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        cli(prog_name="labelrounds")
    except LabelRoundsError as error:
        click.echo(f"labelrounds: {error}", err=True)
        sys.exit(error.exit_code)


@contextmanager
def prefect_ready() -> Iterator[Settings]:
    """Give complete settings to Prefect and MLflow, and say so when Prefect's server does not answer."""
    settings = load_settings()
    os.environ.update(settings.environment())
    from flows.health import check_prefect

    check_prefect(settings.prefect_api_url)
    console.leave_out_own_tracebacks()
    try:
        yield settings
    except LabelRoundsError:
        raise
    except Exception as error:
        from flows.health import is_prefect_outage

        if is_prefect_outage(error):
            raise ServiceUnavailable(
                f"Prefect at {settings.prefect_api_url} stopped answering: {error}; what was done is stored, "
                "start again when it is up"
            ) from error
        raise


@cli.command()
@click.option(
    "--rounds", default=9, show_default=True, type=click.IntRange(1), help="Batches of 100 labels to buy."
)
@JSON
def demo(rounds: int, as_json: bool) -> None:
    """Run the whole loop on real e-mails, next to random choice.

    Starts the embedded stack, and leaves it up. Example: labelrounds demo --rounds 3
    """
    # The progress bars say it; Prefect keeps the log of every run.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    _up(only=None)
    with prefect_ready() as settings:
        from flows.demo.show import show_demo

        show_demo(settings, rounds, as_json)


@cli.command()
@JSON
def up(as_json: bool) -> None:
    """Start the embedded stack: Postgres, S3, MLflow and Prefect servers. Example: labelrounds up"""
    _up(only=None)
    _status(as_json)


@cli.command()
def down() -> None:
    """Stop the embedded stack; its data stays. Example: labelrounds down"""
    from infra import stack

    stack.down(read_given().home)
    console.stderr().print("the embedded stack is down; its data stays")


@cli.command()
@click.argument("campaign", required=False)
@JSON
def status(campaign: str | None, as_json: bool) -> None:
    """Show the parts of the stack and where each campaign stands; of one campaign all that there is to say.

    Example: labelrounds status spam
    """
    if campaign is None:
        _status(as_json)
        return
    from flows.standing import standing

    found = standing(load_settings(), campaign)
    console.document(found) if as_json else console.show_facts(found)


@cli.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.argument("uri")
@JSON
def upload(path: Path, uri: str, as_json: bool) -> None:
    """Copy a file, or the files of a directory, into the S3 store; buckets are made.

    Example: labelrounds upload emails.parquet s3://mail/pool/
    """
    from flows.operate import upload as copy

    rows = copy(load_settings(), path, uri)
    console.document(rows) if as_json else console.show_rows("uploaded", rows)


@cli.command()
@CAMPAIGN
@JSON
def check(campaign: str, as_json: bool) -> None:
    """Say what a round would do and cost, and touch nothing. Example: labelrounds check spam.yaml"""
    from dataclasses import asdict

    from flows.check import forecast, lines

    spec = _load(campaign)
    found = forecast(load_settings(), spec)
    if as_json:
        console.document({"campaign": spec.name, **asdict(found)})
    else:
        for line in lines(spec, found):
            click.echo(line)


@cli.command("round")
@CAMPAIGN
@click.option(
    "--verify", type=click.IntRange(1), metavar="N", help="Choose round N's batch anew and compare."
)
@click.option(
    "--override", multiple=True, metavar="GUARD", help="Let a guard pass in this round that refused it."
)
@JSON
def round_(campaign: str, verify: int | None, override: tuple[str, ...], as_json: bool) -> None:
    """Run one labeling round, or go on with the interrupted one.

    CAMPAIGN is a campaign file, or the name of a campaign that ran before. Example: labelrounds round spam.yaml
    """
    _validate(campaign)
    if verify is not None:
        if override:
            raise UsageError("--verify chooses a batch anew and publishes nothing: leave --override out")
        _verify(campaign, verify, as_json)
        return
    with prefect_ready():
        from flows.round import label_round
        from tasks.guard import check_names

        check_names(override)
        outcome = label_round(campaign, list(override))
    _tell(outcome, as_json)
    if outcome.result in ("busy", "waiting", "guarded"):
        sys.exit(1)


@cli.command()
@CAMPAIGN
@click.option(
    "--watch",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Go on until the round is closed: every so many seconds, and at once when a vendor's Label Studio rings.",
)
@JSON
def collect(campaign: str, watch: float | None, as_json: bool) -> None:
    """Take the vendors' answers in; close the round that is complete.

    Example: labelrounds collect spam.yaml --watch 60
    """
    _validate(campaign)
    with prefect_ready() as settings:
        from flows.collect import collect_labels
        from flows.watch import until_closed

        outcome = collect_labels(campaign) if watch is None else until_closed(settings, campaign, watch)
    _tell(outcome, as_json)


@cli.command()
@click.argument("campaign", required=False)
@JSON
def sweep(campaign: str | None, as_json: bool) -> None:
    """Free lapsed leases and take up what was interrupted or missed. Example: labelrounds sweep"""
    if campaign:
        _validate(campaign)
    with prefect_ready():
        from flows.sweep import sweep as run_sweep

        rows = run_sweep(campaign)
    console.document(rows) if as_json else console.show_rows("swept", rows)


@cli.command()
@CAMPAIGN
@click.option("--remove", is_flag=True, help="Take the deployments back; the campaign and its labels stay.")
@JSON
def deploy(campaign: str, remove: bool, as_json: bool) -> None:
    """Register the campaign's Prefect deployments: schedule, collection, sweep, and the next round when all
    labels are in. Starts a worker in the embedded stack. Example: labelrounds deploy spam.yaml
    """
    from dataclasses import asdict

    spec = None if remove and not is_file_name(campaign) else _load(campaign)
    name = campaign if spec is None else spec.name
    with prefect_ready():
        from flows import deploy as deployments

        if remove or spec is None:
            rows = [asdict(one) for one in deployments.remove(name)]
        else:
            rows = [asdict(one) for one in deployments.deploy(spec)]
            if read_given().prefect_api_url is None:
                _up(only={"worker"})
    console.document(rows) if as_json else console.show_rows(f"deployments of {name}", rows)


@cli.command("ml-backend")
@CAMPAIGN
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option(
    "--port", default=9090, show_default=True, type=click.IntRange(1, 65535), help="And on which port."
)
def ml_backend(campaign: str, host: str, port: int) -> None:
    """Serve the campaign's champion to Label Studio as an ML backend, until it is stopped.

    Example: labelrounds ml-backend emails --port 9090
    """
    settings = load_settings()
    os.environ.update(settings.environment())
    from flows.ml_backend import serve

    serve(settings, campaign, host, port)


@cli.group()
def labels() -> None:
    """Labels: what is believed of the items."""


@labels.command("export")
@CAMPAIGN
@click.option(
    "--as-of",
    type=click.IntRange(1),
    metavar="N",
    help="As they were when round N opened; corrections came later.",
)
@JSON
def labels_export(campaign: str, as_of: int | None, as_json: bool) -> None:
    """Print the campaign's labels with their provenance, as CSV or JSON.

    Example: labelrounds labels export spam > labels.csv
    """
    from flows.operate import export_labels

    export_labels(load_settings(), campaign, as_of, as_json)


def _load(campaign: str) -> Campaign:
    from tasks.campaign import load_campaign
    from tasks.strategies import get

    return load_campaign(campaign, find_strategy=get)


def _validate(campaign: str) -> None:
    """Find mistakes in a campaign file before anything else is started."""
    if is_file_name(campaign):
        _load(campaign)


def _verify(campaign: str, number: int, as_json: bool) -> None:
    from dataclasses import asdict

    from flows.verify import verify

    settings = load_settings()
    os.environ.update(settings.environment())
    found = verify(settings, campaign, number)
    console.document(asdict(found)) if as_json else click.echo(found.sentence)
    if not found.same:
        sys.exit(1)


def _tell(outcome: Any, as_json: bool) -> None:
    console.document(outcome.to_json()) if as_json else console.show_outcome(outcome)


def _up(only: set[str] | None) -> None:
    from flows.operate import start_stack

    start_stack(read_given().home, only)


def _status(as_json: bool) -> None:
    from flows.operate import stack_rows

    rows = stack_rows(read_given().home)
    if as_json:
        console.document(rows)
        return
    console.show_rows("stack", rows)
    if any(row["name"] == "postgres" and row["health"] == "healthy" for row in rows):
        from flows.standing import all_standing

        found = all_standing(load_settings())
        if found:
            names = ("campaign", "round", "state", "labels", "spent", "stopped")
            console.show_rows("campaigns", [{name: one[name] for name in names} for one in found])
