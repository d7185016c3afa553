"""passkeys, and which key took the place of another"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "auth_0002"
down_revision = "auth_0001"


def upgrade() -> None:
    op.create_table('auth_passkey',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('credential', sa.String(length=1400), nullable=False),
    sa.Column('public_key', sa.LargeBinary(), nullable=False),
    sa.Column('sign_count', sa.BigInteger(), nullable=False),
    sa.Column('transports', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('synced', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_auth_passkey')),
    sa.UniqueConstraint('tenant_id', 'credential', name=op.f('uq_auth_passkey_tenant_id_credential')),
    info={'audit': False}
    )
    op.create_index('ix_auth_passkey_user_id', 'auth_passkey', ['tenant_id', 'user_id'], unique=False)
    op.add_column('auth_key', sa.Column('replaced_by', sa.Uuid(), nullable=True))
