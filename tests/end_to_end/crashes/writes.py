"""Counting a process's writes to the outside world, and dying by SIGKILL right before a chosen one.

A write is a changing request to S3, a commit of a database transaction that changed something, or a changing
request to MLflow. What lies between two writes is seen by nobody, so dying before each write and after the last
one covers every moment at which a process can be killed. Nothing of this is in the product: what is wrapped are
the libraries below it.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

READING = ("Get", "Head", "List")


class Writes:
    """Writes so far, one line each in a file that survives the process.

    Parameters
    ----------
    log
        Gets ``s3 PutObject s3://...``, ``db commit`` or ``mlflow POST /...`` per write, before it happens.
    die_before
        The number of the write, from 1, that the process does not live to see. None lets it live.
    """

    def __init__(self, log: Path, die_before: int | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._die_before = die_before
        self._number = 0
        self._lock = threading.Lock()

    def about_to(self, what: str) -> None:
        """Note a write that comes next, or die."""
        with self._lock:
            self._number += 1
            if self._number == self._die_before:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(self._log, f"{what}\n".encode())

    def watch(self) -> None:
        """Wrap S3, database and MLflow clients of this process."""
        self._watch_s3()
        self._watch_database()
        self._watch_mlflow()

    def _watch_s3(self) -> None:
        from botocore.client import BaseClient

        call = BaseClient._make_api_call

        def counted(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            if not operation.startswith(READING):
                self.about_to(f"s3 {operation} {arguments.get('Bucket')}/{arguments.get('Key', '')}")
            return call(client, operation, arguments)

        BaseClient._make_api_call = counted

    def _watch_database(self) -> None:
        from sqlalchemy.engine.default import DefaultDialect

        commit = DefaultDialect.do_commit

        def counted(dialect: Any, connection: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id_if_assigned()")  # none: nothing was changed
                changed = cursor.fetchone()[0] is not None
            if changed:
                self.about_to("db commit")
            commit(dialect, connection)

        DefaultDialect.do_commit = counted  # type: ignore[method-assign]

    def _watch_mlflow(self) -> None:
        from requests import Session

        send = Session.send

        def counted(session: Any, request: Any, **options: Any) -> Any:
            path = request.path_url.partition("?")[0]
            if request.method not in ("GET", "HEAD") and not path.endswith("/search"):
                self.about_to(f"mlflow {request.method} {path}")
            return send(session, request, **options)

        Session.send = counted  # type: ignore[method-assign]


def read(log: Path) -> list[str]:
    """Read what a process wrote, in order."""
    return log.read_text().splitlines() if log.exists() else []
