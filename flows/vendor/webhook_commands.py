"""The verbs of `labelrounds vendor webhook`."""

from __future__ import annotations

import click

from flows import console
from flows.vendor.reach import JSON, database, show
from infra.settings import load_settings


@click.group("webhook")
def webhook() -> None:
    """Webhooks: who is told of what happens."""


@webhook.command("add")
@click.argument("url")
@click.option("--vendor", help="Whose events; your own (rounds, submissions) without it.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind of event; repeatable.")
@JSON
def webhook_add(url: str, vendor: str | None, kinds: tuple[str, ...], as_json: bool) -> None:
    """Tell an address of events, and print the secret that signs them, once.

    Example: labelrounds vendor webhook add https://acme.example/hooks --vendor acme
    """
    from infra.database import webhooks

    private = load_settings().gateway_private_webhooks
    with database() as engine:
        made = webhooks.add_webhook(engine, vendor, url, kinds, private=private)
    found = {"webhook_id": made.webhook_id, "secret": made.secret}
    console.document(found) if as_json else click.echo(f"webhook {made.webhook_id}: {made.secret}")


@webhook.command("list")
@JSON
def webhook_list(as_json: bool) -> None:
    """Show webhooks with what is pending and dead.

    Example: labelrounds vendor webhook list
    """
    from infra.database import webhooks

    show("webhooks", webhooks.list_webhooks, as_json)


@webhook.command("rotate-secret")
@click.argument("webhook_id", type=int)
@JSON
def webhook_rotate_secret(webhook_id: int, as_json: bool) -> None:
    """Sign with a new secret, and with the one before until the next rotation.

    Example: labelrounds vendor webhook rotate-secret 1
    """
    from infra.database import webhooks

    with database() as engine:
        made = webhooks.rotate_secret(engine, webhook_id)
    found = {"webhook_id": webhook_id, "secret": made.secret}
    console.document(found) if as_json else click.echo(made.secret)


@webhook.command("remove")
@click.argument("webhook_id", type=int)
@JSON
def webhook_remove(webhook_id: int, as_json: bool) -> None:
    """Forget a webhook.

    Example: labelrounds vendor webhook remove 1
    """
    from infra.database import webhooks

    with database() as engine:
        webhooks.remove_webhook(engine, webhook_id)
    console.document({"removed": webhook_id}) if as_json else click.echo(f"webhook {webhook_id} is removed")


@webhook.command("enable")
@click.argument("webhook_id", type=int)
@JSON
def webhook_enable(webhook_id: int, as_json: bool) -> None:
    """Tell a disabled webhook again of what happens from now on.

    Example: labelrounds vendor webhook enable 1
    """
    from infra.database import webhooks

    with database() as engine:
        webhooks.enable_webhook(engine, webhook_id)
    console.document({"enabled": webhook_id}) if as_json else click.echo(f"webhook {webhook_id} is active")


@webhook.command("deliveries")
@click.argument("webhook_id", type=int)
@click.option("--state", type=click.Choice(["pending", "sent", "dead"]), help="Only those.")
@JSON
def webhook_deliveries(webhook_id: int, state: str | None, as_json: bool) -> None:
    """Show what was sent, is to be sent, or was given up.

    Example: labelrounds vendor webhook deliveries 1
    """
    from infra.database import webhooks

    show("deliveries", lambda engine: webhooks.list_deliveries(engine, webhook_id, state), as_json)


@webhook.command("redeliver")
@click.argument("webhook_id", type=int)
@click.option("--seq", type=int, help="One event, whatever became of it; else all that were given up.")
@JSON
def webhook_redeliver(webhook_id: int, seq: int | None, as_json: bool) -> None:
    """Send events again.

    Example: labelrounds vendor webhook redeliver 1
    """
    from infra.database import webhooks

    with database() as engine:
        count = webhooks.redeliver(engine, webhook_id, seq)
    console.document({"events": count}) if as_json else click.echo(f"{count} events will be sent")
