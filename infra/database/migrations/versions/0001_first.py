"""The first schema: campaigns, rounds, the queue, labels, money, events."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

HERE = Path(__file__).parent


def upgrade() -> None:
    """Create roles, schemas, tables and the vendors' functions, owned by a role without a login."""
    for name in ("0001_roles.sql", "0001_tables.sql", "0001_vendor_functions.sql"):
        # As it is: these files hold `%` signs that are no parameters.
        source = (HERE / name).read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(source, execution_options={"no_parameters": True})
    op.get_bind().exec_driver_sql("RESET ROLE")
