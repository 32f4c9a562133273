"""The embedded stack: PostgreSQL, S3, MLflow, Prefect and the vendors' gateway as real servers on 127.0.0.1.

Servers outlive the command that started them. A part that the settings replace is not started.
"""

from infra.stack.control import PartStatus, down, status, up
from infra.stack.state import StackState

__all__ = ["PartStatus", "StackState", "down", "status", "up"]
