"""Multi-label campaigns: an answer may be a set of classes, and a lease says which of the two is wanted."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

HERE = Path(__file__).parent


def upgrade() -> None:
    """Replace the functions that know what an answer looks like; no row changes."""
    source = (HERE / "0002_label_sets.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(source, execution_options={"no_parameters": True})
    op.get_bind().exec_driver_sql("RESET ROLE")
