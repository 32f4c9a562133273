"""What the command lets Prefect say."""

import logging
import sys

import pytest

from flows.console import leave_out_own_tracebacks
from tasks.errors import PoolRejected


@pytest.mark.parametrize("name", ["prefect.flow_runs", "prefect.task_runs"])
def test_only_unexpected_errors_have_a_traceback(name, caplog, monkeypatch):
    leave_out_own_tracebacks()
    logger = logging.getLogger(name)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    for error in (PoolRejected("nothing there"), KeyError("a bug")):
        try:
            raise error
        except Exception:
            logger.error("Encountered exception: %r", sys.exc_info()[1], exc_info=True)
    assert "PoolRejected('nothing there')" in caplog.text
    assert "KeyError: 'a bug'" in caplog.text
    assert caplog.text.count("Traceback") == 1
