"""A boto3 client for Amazon S3, or for a store that looks like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def make_client(
    endpoint: str | None, access_key_id: str | None, secret_access_key: str | None, region: str, attempts: int
) -> S3Client:
    """Make a client with bounded waiting; no endpoint is Amazon.

    Parameters
    ----------
    attempts
        Tries in all, for errors that boto3 knows as transient.
    """
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": attempts},
        "connect_timeout": 5,
        "read_timeout": 60,
        "max_pool_connections": 32,
    }
    if endpoint is not None:
        # Others than Amazon know neither the newer checksums nor, on a plain host, buckets as subdomains.
        options |= {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": "path"},
        }
        if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1"):
            options["proxies"] = {}  # a company's HTTP proxy is not for this machine
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        region_name=region,
        config=Config(**options),
    )
