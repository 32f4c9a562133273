"""The embedded stack: PostgreSQL, S3, MLflow and Prefect as real servers on 127.0.0.1, out of packages.

Servers outlive the command that started them. A part that the settings replace is not started.
"""

from infra.stack.control import PartStatus, down, status, up
from infra.stack.state import StackState

__all__ = ["PartStatus", "StackState", "down", "status", "up"]
