"""What all contestants write: an order when an event is produced, an effect when it is handled."""

import os

import sqlalchemy as sa

metadata = sa.MetaData()
order = sa.Table("bench_order", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("amount", sa.Integer))
effect = sa.Table(
    "bench_effect",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double),
)


def engine() -> sa.Engine:
    """The database that the environment names."""
    return sa.create_engine(os.environ["BENCH_URL"])
