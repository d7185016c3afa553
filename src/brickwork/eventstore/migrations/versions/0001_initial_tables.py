"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "eventstore_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('eventstore_event',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('position', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('stream', sa.String(length=200), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('event_id', sa.Uuid(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'position', name=op.f('pk_eventstore_event')),
    sa.UniqueConstraint('tenant_id', 'stream', 'version', name=op.f('uq_eventstore_event_tenant_id_stream_version')),
    info={'audit': False}
    )
    op.create_table('eventstore_projection',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'name', 'generation', name=op.f('pk_eventstore_projection')),
    info={'audit': False}
    )
    op.create_index('ix_eventstore_projection_active', 'eventstore_projection', ['tenant_id', 'active'], unique=False)
    op.create_table('eventstore_snapshot',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('stream', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=100), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('state', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'stream', 'kind', name=op.f('pk_eventstore_snapshot')),
    info={'audit': False}
    )
    op.create_table('eventstore_stream',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('stream', sa.String(length=200), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'stream', name=op.f('pk_eventstore_stream')),
    info={'audit': False}
    )
