"""What an installation needs once before its first round: `python -m infra.deployments.prepare`.

Idempotent. Containers run it before the worker starts.
"""

from __future__ import annotations

import os
import sys

from infra.settings import QUIET, load_settings
from tasks.errors import LabelRoundsError


def prepare() -> None:
    """Make the database's schema, the artifact bucket, the work pool and the detection of silent runs."""
    settings = load_settings()
    os.environ.update(settings.environment())
    from infra.deployments.pool import ensure_work_pool
    from infra.deployments.silence import ensure_crash_detection
    from infra.workplace import Workplace

    place = Workplace(settings)
    try:
        place.prepare()
    finally:
        place.close()
    ensure_work_pool()
    ensure_crash_detection()


if __name__ == "__main__":
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        prepare()
    except LabelRoundsError as error:
        sys.exit(f"labelrounds: {error}")
    print("labelrounds: schema, bucket and work pool are ready")
