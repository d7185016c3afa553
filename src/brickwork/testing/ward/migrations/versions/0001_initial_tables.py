"""initial tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ward_0001"
down_revision = None


def upgrade() -> None:
    json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.create_table(
        "ward_patient",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("national_number", sa.String(length=40), nullable=True),
        sa.Column("balance", sa.Numeric(precision=28, scale=10), nullable=True),
        sa.Column("insured", sa.Boolean(), nullable=True),
        sa.Column("notes", json, nullable=True),
        sa.Column("photo", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ward_patient")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_ward_patient_tenant_id_code")),
    )
    op.create_table(
        "ward_tag",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ward_tag")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_ward_tag_tenant_id_name")),
    )
    op.create_table(
        "ward_visit",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["ward_patient.tenant_id", "ward_patient.id"],
            name=op.f("fk_ward_visit_tenant_id_patient_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ward_visit")),
    )
    op.create_index("ix_ward_visit_patient", "ward_visit", ["tenant_id", "patient_id"], unique=False)
    op.create_table(
        "ward_patient_tag",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["ward_patient.tenant_id", "ward_patient.id"],
            name=op.f("fk_ward_patient_tag_tenant_id_patient_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tag_id"],
            ["ward_tag.tenant_id", "ward_tag.id"],
            name=op.f("fk_ward_patient_tag_tenant_id_tag_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "patient_id", "tag_id", name=op.f("pk_ward_patient_tag")),
    )
