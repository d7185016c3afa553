"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "messaging_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('message_dead',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('subscription', sa.String(length=120), nullable=False),
    sa.Column('queue', sa.String(length=41), nullable=False),
    sa.Column('ordering', sa.String(length=200), nullable=True),
    sa.Column('event_id', sa.Uuid(), nullable=True),
    sa.Column('event_name', sa.String(length=200), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('history', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('died_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.String(length=200), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_message_dead'))
    )
    op.create_index('ix_message_dead_resting', 'message_dead', ['tenant_id', 'status', 'id'], unique=False)
    op.create_index('ix_message_dead_subscription', 'message_dead', ['tenant_id', 'subscription', 'status', 'id'], unique=False)
    op.create_table('message_delivery',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('subscription', sa.String(length=120), nullable=False),
    sa.Column('queue', sa.String(length=41), nullable=False),
    sa.Column('ordering', sa.String(length=200), nullable=True),
    sa.Column('event_id', sa.Uuid(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('taken', sa.Boolean(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('history', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_message_delivery')),
    info={'audit': False},
    sqlite_autoincrement=True
    )
    op.create_index('ix_message_delivery_due', 'message_delivery', ['queue', 'due_at', 'id'], unique=False)
    op.create_index('ix_message_delivery_ordering', 'message_delivery', ['tenant_id', 'subscription', 'ordering', 'id'], unique=False, sqlite_where=sa.text('ordering IS NOT NULL'), postgresql_where=sa.text('ordering IS NOT NULL'))
