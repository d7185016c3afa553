"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "oauth_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('oauth_assertion',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_oauth_assertion')),
    info={'audit': False}
    )
    op.create_index('ix_oauth_assertion_expires_at', 'oauth_assertion', ['expires_at'], unique=False)
    op.create_table('oauth_client',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('definition', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('secrets', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('registration', sa.String(length=64), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_oauth_client'))
    )
    op.create_table('oauth_code',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('grant_id', sa.Uuid(), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('redirect_uri', sa.String(length=2000), nullable=False),
    sa.Column('challenge', sa.String(length=128), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_oauth_code')),
    info={'audit': False}
    )
    op.create_index('ix_oauth_code_expires_at', 'oauth_code', ['expires_at'], unique=False)
    op.create_table('oauth_consent',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=80), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'subject', 'client_id', name=op.f('pk_oauth_consent'))
    )
    op.create_table('oauth_device',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_digest', sa.String(length=64), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('interval', sa.Integer(), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('denied_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('grant_id', sa.Uuid(), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_oauth_device')),
    info={'audit': False}
    )
    op.create_index('ix_oauth_device_expires_at', 'oauth_device', ['expires_at'], unique=False)
    op.create_index('ix_oauth_device_user_digest', 'oauth_device', ['tenant_id', 'user_digest'], unique=False)
    op.create_table('oauth_grant',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=80), nullable=False),
    sa.Column('scopes', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('auth_time', sa.DateTime(timezone=True), nullable=False),
    sa.Column('methods', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('nonce', sa.String(length=500), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_oauth_grant'))
    )
    op.create_index('ix_oauth_grant_client_id', 'oauth_grant', ['tenant_id', 'client_id'], unique=False)
    op.create_index('ix_oauth_grant_expires_at', 'oauth_grant', ['expires_at'], unique=False)
    op.create_index('ix_oauth_grant_subject', 'oauth_grant', ['tenant_id', 'subject'], unique=False)
    op.create_table('oauth_pushed',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('parameters', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_oauth_pushed')),
    info={'audit': False}
    )
    op.create_index('ix_oauth_pushed_expires_at', 'oauth_pushed', ['expires_at'], unique=False)
    op.create_table('oauth_refresh',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('grant_id', sa.Uuid(), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('before', sa.String(length=64), nullable=True),
    sa.Column('successor', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'digest', name=op.f('pk_oauth_refresh')),
    info={'audit': False}
    )
    op.create_index('ix_oauth_refresh_expires_at', 'oauth_refresh', ['expires_at'], unique=False)
    op.create_table('oauth_revocation',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=100), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'key', name=op.f('pk_oauth_revocation'))
    )
    op.create_index('ix_oauth_revocation_expires_at', 'oauth_revocation', ['expires_at'], unique=False)
    op.create_table('oauth_sign_in',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.Uuid(), nullable=False),
    sa.Column('methods', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'session_id', name=op.f('pk_oauth_sign_in')),
    info={'audit': False}
    )
    op.create_index('ix_oauth_sign_in_expires_at', 'oauth_sign_in', ['expires_at'], unique=False)
    op.create_table('oauth_signing_key',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('kid', sa.String(length=64), nullable=False),
    sa.Column('alg', sa.String(length=10), nullable=False),
    sa.Column('public', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('private', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'kid', name=op.f('pk_oauth_signing_key'))
    )
