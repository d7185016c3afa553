"""initial tables"""

import sqlalchemy as sa
from alembic import op

revision = "federation_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('federation_attempt',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('browser', sa.String(length=64), nullable=False),
    sa.Column('provider', sa.String(length=32), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_federation_attempt'))
    )
    op.create_index('ix_federation_attempt_expires_at', 'federation_attempt', ['expires_at'], unique=False)
    op.create_table('federation_identity',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('provider', sa.String(length=32), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('email', sa.String(length=320), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_federation_identity')),
    sa.UniqueConstraint('tenant_id', 'issuer', 'subject', name=op.f('uq_federation_identity_tenant_id_issuer_subject'))
    )
    op.create_index('ix_federation_identity_user_id', 'federation_identity', ['tenant_id', 'user_id'], unique=False)
    op.create_table('federation_session',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.Uuid(), nullable=False),
    sa.Column('issuer', sa.String(length=300), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('sid', sa.String(length=255), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'session_id', name=op.f('pk_federation_session'))
    )
    op.create_index('ix_federation_session_expires_at', 'federation_session', ['expires_at'], unique=False)
    op.create_index('ix_federation_session_sid', 'federation_session', ['tenant_id', 'sid'], unique=False)
    op.create_index('ix_federation_session_subject', 'federation_session', ['tenant_id', 'issuer', 'subject'], unique=False)
