"""A gateway out of settings."""

from __future__ import annotations

import random

from fastapi import FastAPI

from infra.gateway.app import Gateway, create_app
from infra.gateway.desk import Desk
from infra.gateway.limits import TokenBuckets
from infra.gateway.metrics import Metrics
from infra.gateway.payloads import Signer
from infra.gateway.webhooks.dispatcher import Dispatcher
from infra.gateway.webhooks.send import Sender
from infra.settings import AMAZON, Given
from infra.storage import Storage


def build(settings: Given) -> FastAPI:
    """Make the application that the settings describe.

    Parameters
    ----------
    settings
        As `infra.settings.load_gateway_settings` gives them.
    """
    assert settings.gateway_database_url is not None
    desk, metrics = Desk(settings.gateway_database_url, settings.gateway_connections), Metrics()
    # Addresses are signed for where vendors reach the store, which may be another address than ours.
    endpoint = settings.gateway_s3_public_url or settings.s3_endpoint_url
    storage = Storage(
        endpoint=None if endpoint == AMAZON else endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key,
        region=settings.s3_region,
    )
    allowed = frozenset(name for one in settings.gateway_payload_buckets.split(",") if (name := one.strip()))
    signer = Signer(storage.presign, allowed, frozenset({settings.artifact_bucket}) - allowed)
    limits = TokenBuckets(settings.gateway_requests_per_second, settings.gateway_burst)
    sender = Sender(private=settings.gateway_private_webhooks)
    dispatcher = Dispatcher(desk, sender, random.Random(), metrics=metrics)
    return create_app(Gateway(desk, signer, limits, metrics, settings.gateway_metrics_token, dispatcher))
