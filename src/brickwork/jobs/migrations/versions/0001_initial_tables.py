"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "jobs_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('job_run',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('job', sa.String(length=120), nullable=False),
    sa.Column('arguments', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('schedule_id', sa.Uuid(), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('asked_by', sa.String(length=200), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done', sa.Integer(), nullable=True),
    sa.Column('total', sa.Integer(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('cancel_asked', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_job_run')),
    sa.UniqueConstraint('tenant_id', 'schedule_id', 'due_at', name=op.f('uq_job_run_tenant_id_schedule_id_due_at')),
    info={'audit': False}
    )
    op.create_index('ix_job_run_ended', 'job_run', ['ended_at'], unique=False)
    op.create_index('ix_job_run_job', 'job_run', ['tenant_id', 'job', 'id'], unique=False)
    op.create_index('ix_job_run_status', 'job_run', ['tenant_id', 'status', 'id'], unique=False)
    op.create_table('job_schedule',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('job', sa.String(length=120), nullable=False),
    sa.Column('arguments', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('trigger', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('misfire', sa.String(length=4), nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('paused', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_job_schedule')),
    sa.UniqueConstraint('tenant_id', 'name', name=op.f('uq_job_schedule_tenant_id_name'))
    )
    op.create_index('ix_job_schedule_next', 'job_schedule', ['next_at'], unique=False, sqlite_where=sa.text('next_at IS NOT NULL'), postgresql_where=sa.text('next_at IS NOT NULL'))
