"""The first schema: campaigns, rounds, the queue, labels, money, events."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

HERE = Path(__file__).parent


def upgrade() -> None:
    """Create roles, schemas, tables and the vendors' functions, owned by a role without a login."""
    # The driver's own cursor: these files hold `%` signs that are no parameters.
    cursor = op.get_bind().connection.cursor()
    for name in ("0001_roles.sql", "0001_tables.sql", "0001_vendor_functions.sql"):
        cursor.execute((HERE / name).read_text(encoding="utf-8"))
    cursor.execute("RESET ROLE")
