"""The queue for outside vendors: schemas, corrections, work given back, routing, gold, refusals, the outbox."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

HERE = Path(__file__).parent


def upgrade() -> None:
    """Add the tables and replace the vendors' functions."""
    for name in ("0003_tables.sql", "0003_functions.sql"):
        source = (HERE / name).read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(source, execution_options={"no_parameters": True})
    op.get_bind().exec_driver_sql("RESET ROLE")
