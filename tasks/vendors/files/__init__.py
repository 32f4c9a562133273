"""Vendors that take files: batches out and answers in as objects in S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.vendors.connector import Connector
from tasks.vendors.files.connector import FilesConnector
from tasks.vendors.files.layout import Layout
from tasks.vendors.files.options import read_options
from tasks.vendors.registry import Tools

__all__ = ["FilesConnector", "connector"]


def connector(options: Mapping[str, Any], tools: Tools) -> Connector:
    """Make the connector of a vendor with ``connector: files``.

    Raises
    ------
    UsageError
        An option is wrong.
    """
    read = read_options(options, tools.vendor)
    return FilesConnector(read, Layout(read.uri, tools.campaign), tools.storage)
