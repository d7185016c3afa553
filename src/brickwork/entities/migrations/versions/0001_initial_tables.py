"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "entities_0001"
down_revision = None


def upgrade() -> None:
    op.create_table('entity_import',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('type', sa.String(length=64), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('rows_done', sa.Integer(), nullable=False),
    sa.Column('created', sa.Integer(), nullable=False),
    sa.Column('updated', sa.Integer(), nullable=False),
    sa.Column('unchanged', sa.Integer(), nullable=False),
    sa.Column('rejected', sa.Integer(), nullable=False),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_entity_import')),
    sa.UniqueConstraint('tenant_id', 'fingerprint', name=op.f('uq_entity_import_tenant_id_fingerprint'))
    )
    op.create_table('entity_match',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('type', sa.String(length=64), nullable=False),
    sa.Column('left_id', sa.Uuid(), nullable=False),
    sa.Column('right_id', sa.Uuid(), nullable=False),
    sa.Column('probability', sa.Double(), nullable=False),
    sa.Column('evidence', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('cluster', sa.Uuid(), nullable=True),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('found_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.String(length=200), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_entity_match')),
    sa.UniqueConstraint('tenant_id', 'left_id', 'right_id', name=op.f('uq_entity_match_tenant_id_left_id_right_id'))
    )
    op.create_index('ix_entity_match_queue', 'entity_match', ['tenant_id', 'type', 'status', 'probability'], unique=False)
    op.create_table('entity_merge',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('type', sa.String(length=64), nullable=False),
    sa.Column('winner_id', sa.Uuid(), nullable=False),
    sa.Column('loser_id', sa.Uuid(), nullable=False),
    sa.Column('changed', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('sealed', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('links', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('merged_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('merged_by', sa.String(length=200), nullable=False),
    sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_entity_merge'))
    )
    op.create_index('ix_entity_merge_loser', 'entity_merge', ['tenant_id', 'loser_id'], unique=False)
    op.create_table('entity_record',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('type', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('definition_version', sa.Integer(), nullable=False),
    sa.Column('data', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('sealed', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_by', sa.String(length=200), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('deletion_id', sa.Uuid(), nullable=True),
    sa.Column('merged_into', sa.Uuid(), nullable=True),
    sa.Column('k0', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k1', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k2', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k3', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k4', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k5', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k6', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k7', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k8', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k9', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k10', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k11', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k12', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k13', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k14', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('k15', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('u0', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('u1', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('u2', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('u3', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('u4', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.Column('u5', sa.Text().with_variant(sa.Text(collation='C'), 'postgresql'), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_entity_record'))
    )
    op.create_index('ix_entity_record_k0', 'entity_record', ['tenant_id', 'type', 'k0', 'id'], unique=False, sqlite_where=sa.text('k0 IS NOT NULL'), postgresql_where=sa.text('k0 IS NOT NULL'))
    op.create_index('ix_entity_record_k1', 'entity_record', ['tenant_id', 'type', 'k1', 'id'], unique=False, sqlite_where=sa.text('k1 IS NOT NULL'), postgresql_where=sa.text('k1 IS NOT NULL'))
    op.create_index('ix_entity_record_k10', 'entity_record', ['tenant_id', 'type', 'k10', 'id'], unique=False, sqlite_where=sa.text('k10 IS NOT NULL'), postgresql_where=sa.text('k10 IS NOT NULL'))
    op.create_index('ix_entity_record_k11', 'entity_record', ['tenant_id', 'type', 'k11', 'id'], unique=False, sqlite_where=sa.text('k11 IS NOT NULL'), postgresql_where=sa.text('k11 IS NOT NULL'))
    op.create_index('ix_entity_record_k12', 'entity_record', ['tenant_id', 'type', 'k12', 'id'], unique=False, sqlite_where=sa.text('k12 IS NOT NULL'), postgresql_where=sa.text('k12 IS NOT NULL'))
    op.create_index('ix_entity_record_k13', 'entity_record', ['tenant_id', 'type', 'k13', 'id'], unique=False, sqlite_where=sa.text('k13 IS NOT NULL'), postgresql_where=sa.text('k13 IS NOT NULL'))
    op.create_index('ix_entity_record_k14', 'entity_record', ['tenant_id', 'type', 'k14', 'id'], unique=False, sqlite_where=sa.text('k14 IS NOT NULL'), postgresql_where=sa.text('k14 IS NOT NULL'))
    op.create_index('ix_entity_record_k15', 'entity_record', ['tenant_id', 'type', 'k15', 'id'], unique=False, sqlite_where=sa.text('k15 IS NOT NULL'), postgresql_where=sa.text('k15 IS NOT NULL'))
    op.create_index('ix_entity_record_k2', 'entity_record', ['tenant_id', 'type', 'k2', 'id'], unique=False, sqlite_where=sa.text('k2 IS NOT NULL'), postgresql_where=sa.text('k2 IS NOT NULL'))
    op.create_index('ix_entity_record_k3', 'entity_record', ['tenant_id', 'type', 'k3', 'id'], unique=False, sqlite_where=sa.text('k3 IS NOT NULL'), postgresql_where=sa.text('k3 IS NOT NULL'))
    op.create_index('ix_entity_record_k4', 'entity_record', ['tenant_id', 'type', 'k4', 'id'], unique=False, sqlite_where=sa.text('k4 IS NOT NULL'), postgresql_where=sa.text('k4 IS NOT NULL'))
    op.create_index('ix_entity_record_k5', 'entity_record', ['tenant_id', 'type', 'k5', 'id'], unique=False, sqlite_where=sa.text('k5 IS NOT NULL'), postgresql_where=sa.text('k5 IS NOT NULL'))
    op.create_index('ix_entity_record_k6', 'entity_record', ['tenant_id', 'type', 'k6', 'id'], unique=False, sqlite_where=sa.text('k6 IS NOT NULL'), postgresql_where=sa.text('k6 IS NOT NULL'))
    op.create_index('ix_entity_record_k7', 'entity_record', ['tenant_id', 'type', 'k7', 'id'], unique=False, sqlite_where=sa.text('k7 IS NOT NULL'), postgresql_where=sa.text('k7 IS NOT NULL'))
    op.create_index('ix_entity_record_k8', 'entity_record', ['tenant_id', 'type', 'k8', 'id'], unique=False, sqlite_where=sa.text('k8 IS NOT NULL'), postgresql_where=sa.text('k8 IS NOT NULL'))
    op.create_index('ix_entity_record_k9', 'entity_record', ['tenant_id', 'type', 'k9', 'id'], unique=False, sqlite_where=sa.text('k9 IS NOT NULL'), postgresql_where=sa.text('k9 IS NOT NULL'))
    op.create_index('ix_entity_record_type', 'entity_record', ['tenant_id', 'type', 'id'], unique=False)
    op.create_index('uq_entity_record_u0', 'entity_record', ['tenant_id', 'type', 'u0'], unique=True, sqlite_where=sa.text('u0 IS NOT NULL'), postgresql_where=sa.text('u0 IS NOT NULL'))
    op.create_index('uq_entity_record_u1', 'entity_record', ['tenant_id', 'type', 'u1'], unique=True, sqlite_where=sa.text('u1 IS NOT NULL'), postgresql_where=sa.text('u1 IS NOT NULL'))
    op.create_index('uq_entity_record_u2', 'entity_record', ['tenant_id', 'type', 'u2'], unique=True, sqlite_where=sa.text('u2 IS NOT NULL'), postgresql_where=sa.text('u2 IS NOT NULL'))
    op.create_index('uq_entity_record_u3', 'entity_record', ['tenant_id', 'type', 'u3'], unique=True, sqlite_where=sa.text('u3 IS NOT NULL'), postgresql_where=sa.text('u3 IS NOT NULL'))
    op.create_index('uq_entity_record_u4', 'entity_record', ['tenant_id', 'type', 'u4'], unique=True, sqlite_where=sa.text('u4 IS NOT NULL'), postgresql_where=sa.text('u4 IS NOT NULL'))
    op.create_index('uq_entity_record_u5', 'entity_record', ['tenant_id', 'type', 'u5'], unique=True, sqlite_where=sa.text('u5 IS NOT NULL'), postgresql_where=sa.text('u5 IS NOT NULL'))
    op.create_table('entity_type',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('definition', sa.JSON(), nullable=False),
    sa.Column('slots', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('origin', sa.String(length=64), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'name', name=op.f('pk_entity_type'))
    )
    op.create_table('entity_type_version',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('definition', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'name', 'version', name=op.f('pk_entity_type_version'))
    )
    op.create_table('entity_link',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.String(length=130), nullable=False),
    sa.Column('source_id', sa.Uuid(), nullable=False),
    sa.Column('target_id', sa.Uuid(), nullable=False),
    sa.Column('source_one', sa.Uuid(), nullable=True),
    sa.Column('target_one', sa.Uuid(), nullable=True),
    sa.Column('attributes', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'source_id'], ['entity_record.tenant_id', 'entity_record.id'], name=op.f('fk_entity_link_tenant_id_source_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['tenant_id', 'target_id'], ['entity_record.tenant_id', 'entity_record.id'], name=op.f('fk_entity_link_tenant_id_target_id')),
    sa.PrimaryKeyConstraint('tenant_id', 'id', name=op.f('pk_entity_link')),
    sa.UniqueConstraint('tenant_id', 'source_id', 'kind', 'target_id', name=op.f('uq_entity_link_tenant_id_source_id_kind_target_id'))
    )
    op.create_index('ix_entity_link_target', 'entity_link', ['tenant_id', 'target_id', 'kind'], unique=False)
    op.create_index('uq_entity_link_source_one', 'entity_link', ['tenant_id', 'kind', 'source_one'], unique=True)
    op.create_index('uq_entity_link_target_one', 'entity_link', ['tenant_id', 'kind', 'target_one'], unique=True)
