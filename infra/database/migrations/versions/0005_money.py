"""Prices in vendors' own currencies, kept with the rate that they were converted at; a stop that a person lifted."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

HERE = Path(__file__).parent


def upgrade() -> None:
    """Write down the terms of what is offered now; labels, answers and the ledger stay as they are."""
    source = (HERE / "0005_money.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(source, execution_options={"no_parameters": True})
    op.get_bind().exec_driver_sql("RESET ROLE")
