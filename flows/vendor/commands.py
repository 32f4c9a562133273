"""The verbs of `labelrounds vendor` that have to do with the gateway."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from flows import console
from flows.vendor.reach import JSON, database, show
from flows.vendor.webhook_commands import webhook
from infra.settings import load_settings
from tasks.errors import UsageError

KEY = click.option(
    "--key", required=True, envvar="LABELROUNDS_VENDOR_KEY", help="The vendor's API key, `lr_...`."
)


def register(group: click.Group) -> None:
    """Add the verbs to the group `vendor`."""
    for command in (rotate_key, keys, revoke_key, bell, sandbox, conformance, simulate, webhook):
        group.add_command(command)


def new_vendor(name: str) -> dict[str, Any]:
    """Register a vendor and issue its first key; what `vendor add` prints.

    Raises
    ------
    UsageError
        When the name is none.
    """
    from infra.database import access, vendors
    from tasks.campaign.values import check_name

    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"vendor {name!r}: the name {error}") from None
    with database() as engine:
        vendors.add_vendor(engine, name)
        issued = access.issue_key(engine, name)
    return {
        "vendor": name,
        "key_id": issued.key_id,
        "key": issued.key,
        "gateway": load_settings().gateway_url,
    }


@click.command("rotate-key")
@click.argument("name")
@click.option(
    "--grace-hours",
    default=24.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How long the older keys work on.",
)
@JSON
def rotate_key(name: str, grace_hours: float, as_json: bool) -> None:
    """Give a vendor a new API key, shown once; the older ones work on for a day.

    Example: labelrounds vendor rotate-key acme
    """
    from infra.database import access

    with database() as engine:
        issued = access.rotate_key(engine, name, grace_hours * 3600)
    found = {
        "vendor": name,
        "key_id": issued.key_id,
        "key": issued.key,
        "gateway": load_settings().gateway_url,
    }
    console.document(found) if as_json else click.echo(issued.key)


@click.command("keys")
@click.argument("name", required=False)
@JSON
def keys(name: str | None, as_json: bool) -> None:
    """Show API keys: when they were made, end and were last used.

    Example: labelrounds vendor keys acme
    """
    from infra.database import access

    show("keys", lambda engine: access.list_keys(engine, name), as_json)


@click.command("revoke-key")
@click.argument("key_id", type=int)
@JSON
def revoke_key(key_id: int, as_json: bool) -> None:
    """End an API key at once.

    Example: labelrounds vendor revoke-key 3
    """
    from infra.database import access

    with database() as engine:
        access.revoke_key(engine, key_id)
    console.document({"revoked": key_id}) if as_json else click.echo(f"key {key_id} is revoked")


@click.command("bell")
@click.argument("name")
@JSON
def bell(name: str, as_json: bool) -> None:
    """Print the address at which a vendor's Label Studio tells that it has something, anew.

    Example: labelrounds vendor bell crowd
    """
    from infra.database import access

    with database() as engine:
        token = access.give_bell(engine, name)
    url = f"{_gateway()}/hooks/label-studio/{token}"
    console.document({"vendor": name, "url": url}) if as_json else click.echo(url)


@click.command("sandbox")
@click.argument("name")
@click.option(
    "--items", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Tasks to publish."
)
@click.option("--truth", type=click.Path(path_type=Path), help="CSV file to write texts and labels to.")
@JSON
def sandbox(name: str, items: int, truth: Path | None, as_json: bool) -> None:
    """Publish fresh tasks of the campaign `sandbox` to a vendor.

    Example: labelrounds vendor sandbox acme
    """
    from flows.vendor.sandbox import publish

    with database() as engine:
        made = publish(engine, name, items, truth)
    if as_json:
        console.document(asdict(made))
    else:
        click.echo(f"{made.items} tasks of campaign {made.campaign}, round {made.round}, are free for {name}")


@click.command("conformance")
@click.argument("url")
@KEY
@click.option("--campaign", default="sandbox", show_default=True, help="Whose tasks are answered.")
@JSON
def conformance(url: str, key: str, campaign: str, as_json: bool) -> None:
    """Run the contract against a gateway as a vendor does.

    Takes a dozen tasks of the campaign, answers some, and gives back the rest.

    Example: labelrounds vendor conformance http://127.0.0.1:8020 --key lr_...
    """
    from flows.vendor.conformance import run

    checks = []
    for check in run(url, key, campaign):
        checks.append(check)
        if not as_json:
            click.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.name:<20} {check.sentence}")
    failed = sum(not check.passed for check in checks)
    if as_json:
        console.document({"url": url, "failed": failed, "checks": [asdict(check) for check in checks]})
    else:
        click.echo(f"{len(checks) - failed} of {len(checks)} checks passed")
    if failed:
        sys.exit(1)


def _rates(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for value in values:
        name, sign, rate = value.rpartition("=")
        try:
            found[name] = float(rate)
        except ValueError:
            sign = ""
        if not sign or not 0 <= found[name] <= 1:
            raise click.BadParameter(f"{value!r}: must be like spam=0.2")
    return found


@click.command("simulate")
@click.argument("url")
@KEY
@click.option(
    "--truth", required=True, type=click.Path(exists=True, path_type=Path), help="Parquet, CSV or JSON Lines."
)
@click.option("--label", default="label", show_default=True, help="Its column with the label.")
@click.option("--on", multiple=True, help="Its columns that know a payload; all that both have by default.")
@click.option("--campaign", help="Work for this campaign alone.")
@click.option("--tasks", default=0, help="Stop after so many tasks; 0 goes on until the queue is empty.")
@click.option(
    "--batch", default=50, show_default=True, type=click.IntRange(1, 1000), help="Tasks taken at once."
)
@click.option(
    "--error-rate",
    default=0.02,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of wrong answers.",
)
@click.option(
    "--class-error-rate", multiple=True, callback=_rates, help="Of one class: spam=0.2; repeatable."
)
@click.option(
    "--seconds-per-task", default=0.0, show_default=True, type=click.FloatRange(0), help="Thinking time."
)
@click.option(
    "--late-rate", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Share of late leases."
)
@click.option("--late-seconds", default=1.0, show_default=True, type=click.FloatRange(0), help="How late.")
@click.option(
    "--drop-rate", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Leases never answered."
)
@click.option(
    "--duplicate-rate", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Sent twice."
)
@click.option(
    "--skip-rate", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Tasks skipped."
)
@click.option("--ttl", type=click.IntRange(1), help="Seconds of a lease; the campaign's by default.")
@click.option("--journal", type=click.Path(path_type=Path), help="File that lets a killed vendor go on.")
@click.option("--seed", default=0, show_default=True, help="Of mistakes and moods.")
@JSON
def simulate(
    url: str, key: str, truth: Path, label: str, on: tuple[str, ...], journal: Path | None, tasks: int,
    as_json: bool, class_error_rate: dict[str, float], ttl: int | None, **habits: Any,
) -> None:  # fmt: skip
    """Work through the queue as a vendor that errs, is late, vanishes and repeats itself.

    Example: labelrounds vendor simulate http://127.0.0.1:8020 --key lr_... --truth emails.parquet
    """
    from flows.vendor.simulate import simulate as work
    from flows.vendor.truth import read_truth
    from tasks.vendors.http_vendor import Habits

    nature = Habits(class_error_rates=class_error_rate, ttl_s=ttl, **habits)
    tally = work(url, key, read_truth(truth, label, on), nature, journal, tasks)
    found = asdict(tally) | {"rows": dict(tally.rows)}
    console.document(found) if as_json else console.show_rows("done", [found])


def _gateway() -> str:
    url = load_settings().gateway_url
    if url is None:
        raise UsageError("no gateway: run `labelrounds up`, or set LABELROUNDS_GATEWAY_URL")
    return url
