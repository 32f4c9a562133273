"""The verbs of `labelrounds vendor`."""

from __future__ import annotations

import click

from flows import console
from flows.vendor import commands, state_commands
from flows.vendor.reach import JSON
from infra.settings import load_settings


@click.group()
def vendor() -> None:
    """Vendors: who labels."""


commands.register(vendor)
state_commands.register(vendor)


@vendor.command("add")
@click.argument("name")
@click.option("--sql", is_flag=True, help="Print a database login instead: for partners whom you trust.")
@JSON
def vendor_add(name: str, sql: bool, as_json: bool) -> None:
    """Register a vendor and print its API key, once, with the gateway's address; again for one more key.

    With --sql it gets a database login that reaches the functions of the schema `vendor` and nothing else; again for
    a fresh password. Example: labelrounds vendor add acme
    """
    if sql:
        from flows.operate import add_vendor

        url = add_vendor(load_settings(), name)
        console.document({"vendor": name, "url": url}) if as_json else click.echo(url)
        return
    made = commands.new_vendor(name)
    if as_json:
        console.document(made)
    else:
        click.echo(f"key      {made['key']}\ngateway  {made['gateway'] or 'not started: `labelrounds up`'}")


@vendor.command("list")
@JSON
def vendor_list(as_json: bool) -> None:
    """Show vendors with what they hold, answered and earned.

    Example: labelrounds vendor list
    """
    from flows.operate import list_vendors
    from flows.vendor.report import amounts

    rows = list_vendors(load_settings())
    if as_json:
        console.document(rows)
    else:
        console.show_rows("vendors", [row | {"earned": amounts(row["earned"])} for row in rows])
