"""Run one gateway: ``python -m infra.gateway --host 127.0.0.1 --port 8020``.

The database is that of ``LABELROUNDS_GATEWAY_DATABASE_URL``, the gateway's own login; where that is not set, of
``LABELROUNDS_DATABASE_URL``, which then has to be such a login.
"""

from __future__ import annotations

import argparse
import logging
import sys

from infra.gateway.run import build
from infra.settings import load_gateway_settings
from tasks.errors import LabelRoundsError

KEEP_ALIVE_SECONDS = 75
END_SECONDS = 20


def main() -> None:
    """Serve until a signal comes; calls that are under way are answered first."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m infra.gateway", description="The vendors' HTTP API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8020)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        app = build(load_gateway_settings())
    except LabelRoundsError as error:
        sys.exit(f"labelrounds: {error}")
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,  # ours has the vendor and no secret
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
        limit_concurrency=500,
    )


if __name__ == "__main__":
    main()
