"""indexes to end what a person allowed, in every tenant"""

from alembic import op

revision = "oauth_0002"
down_revision = "oauth_0001"


def upgrade() -> None:
    op.drop_index('ix_oauth_grant_subject', 'oauth_grant')
    op.create_index('ix_oauth_grant_subject', 'oauth_grant', ['subject', 'tenant_id'], unique=False)
    op.create_index('ix_oauth_consent_subject', 'oauth_consent', ['subject'], unique=False)
    op.create_index('ix_oauth_refresh_grant_id', 'oauth_refresh', ['grant_id'], unique=False)
