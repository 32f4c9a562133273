"""The gateway's door: API keys, webhooks and their deliveries, and roles that see little."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

HERE = Path(__file__).parent


def upgrade() -> None:
    """Create roles, tables and functions; no row changes."""
    for name in ("0004_gateway.sql", "0004_webhooks.sql", "0004_rights.sql"):
        source = (HERE / name).read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(source, execution_options={"no_parameters": True})
    op.get_bind().exec_driver_sql("RESET ROLE")
