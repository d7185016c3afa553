"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "realtime_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('realtime_head',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('trimmed', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', name=op.f('pk_realtime_head')),
    info={'audit': False}
    )
    op.create_table('realtime_message',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('topic', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('data', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_realtime_message')),
    info={'audit': False},
    sqlite_autoincrement=True
    )
    op.create_index('ix_realtime_message_at', 'realtime_message', ['at'], unique=False)
    op.create_index('ix_realtime_message_new', 'realtime_message', ['id'], unique=False, sqlite_where=sa.text('seq IS NULL'), postgresql_where=sa.text('seq IS NULL'))
    op.create_index('ix_realtime_message_seq', 'realtime_message', ['seq'], unique=False)
    op.create_index('ix_realtime_message_topic', 'realtime_message', ['tenant_id', 'topic', 'seq'], unique=False)
    op.create_table('realtime_presence',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('topic', sa.String(length=200), nullable=False),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('node', sa.String(length=36), nullable=False),
    sa.Column('actor', sa.String(length=200), nullable=False),
    sa.Column('meta', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('joined_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'topic', 'client', name=op.f('pk_realtime_presence')),
    info={'audit': False}
    )
    op.create_index('ix_realtime_presence_expires', 'realtime_presence', ['expires_at'], unique=False)
    op.create_index('ix_realtime_presence_node', 'realtime_presence', ['node'], unique=False)
    op.create_table('realtime_ticket',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('actor', sa.String(length=200), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_realtime_ticket')),
    info={'audit': False}
    )
    op.create_index('ix_realtime_ticket_expires', 'realtime_ticket', ['expires_at'], unique=False)
