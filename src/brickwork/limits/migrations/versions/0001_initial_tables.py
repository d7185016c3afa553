"""initial tables"""

import sqlalchemy as sa
from alembic import op

revision = "limits_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('limits_assignment',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('holder', sa.String(length=250), nullable=False),
    sa.Column('plan', sa.String(length=64), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'holder', name=op.f('pk_limits_assignment'))
    )
    op.create_table('limits_usage',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('quota', sa.String(length=64), nullable=False),
    sa.Column('holder', sa.String(length=250), nullable=False),
    sa.Column('window_label', sa.String(length=10), nullable=False),
    sa.Column('used', sa.BigInteger(), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'quota', 'holder', 'window_label', name=op.f('pk_limits_usage'))
    )
    op.create_index('ix_limits_usage_ends_at', 'limits_usage', ['ends_at'], unique=False)
