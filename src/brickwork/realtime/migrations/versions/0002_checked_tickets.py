"""checked tickets"""

import sqlalchemy as sa
from alembic import op

revision = "realtime_0002"
down_revision = 'realtime_0001'


def upgrade() -> None:
    op.add_column('realtime_ticket', sa.Column('checked', sa.Boolean(), server_default=sa.false(), nullable=False))
