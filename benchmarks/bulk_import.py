"""Rows per second of an import.

Claim: importing 200,000 rows of a CSV, with every field checked, indexes filled and an audit entry for each row, runs at
least at a quarter of the speed of a bare SQLAlchemy Core `executemany` that puts the same rows (from memory, unchecked, not
audited) into a table with comparable indexes; and its peak memory does not grow with the rows.
"""

import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.api_entities.load import patient
from benchmarks.api_entities.servers import DEFINITION
from benchmarks.harness import postgres_database, postgres_runs, result, say
from brickwork import Platform
from brickwork.kernel.ids import uuid7

ROWS = 200_000
FIELDS = {**DEFINITION["fields"], "mrn": {"type": "text", "unique": True}}  # type: ignore[dict-item]
TYPE = {"name": "patient", "fields": FIELDS}


def run(*, quick: bool = False) -> dict[str, Any]:
    """The figures on both databases."""
    count, rounds = (20_000, 1) if quick else (ROWS, 3)
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name:
        folder = Path(name)
        source = make_file(folder / "patients.csv", count)
        rates = compare(folder, source, count, rounds, None)
        peers = {"core": rates["core"]}
        more: dict[str, list[float]] = {}
        if postgres_runs():
            with postgres_database() as url:
                more = compare(folder, source, count, 1 if quick else 2, url)
        memory = [peak_memory(folder, rows) for rows in (count // 4, count)]
    say(f"peak memory: {memory[0]:.0f} MB at {count // 4:,} rows, {memory[1]:.0f} MB at {count:,}")
    figures = result("bulk_import", "rows/s", rates["brickwork"], peers, {"peak_memory_flat": memory[1] - memory[0] < 20})
    if more:
        figures["peers"].update(result("", "", more["brickwork"], {"core_postgres": more["core"]}, {})["peers"])
    for slug, peer in figures["peers"].items():
        figures["checks"][f"{slug}_at_least_0.25"] = peer["ratio"] >= 0.25
    return figures


def compare(folder: Path, source: Path, count: int, rounds: int, admin_url: str | None) -> dict[str, list[float]]:
    """Rows per second of both, in turn: ours into a new tenant each round, the peer into an empty table."""
    rates: dict[str, list[float]] = {"brickwork": [], "core": []}
    with platform_on(folder, admin_url) as platform:
        for number in range(rounds):
            with platform.context(tenant=f"t{number}", actor="user:bench"):
                platform.entities.types.apply(TYPE)
                begin = time.perf_counter()
                report = platform.entities.transfer.import_file("patient", source)
                rates["brickwork"].append(count / (time.perf_counter() - begin))
                if (report.created, report.rejected) != (count, 0):
                    raise RuntimeError(f"not every row was imported: {report}")
            rates["core"].append(core(folder, source, admin_url))
            where = "PostgreSQL" if admin_url else "SQLite"
            say(f"{where}, round {number + 1}: {rates['brickwork'][-1]:,.0f} rows/s, bare Core {rates['core'][-1]:,.0f}")
    return rates


def core(folder: Path, source: Path, admin_url: str | None) -> float:
    """Rows per second of `executemany` into a table of its own."""
    import sqlalchemy as sa

    metadata = sa.MetaData()
    table = sa.Table(
        "bare_patient",
        metadata,
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("given_name", sa.String(100)),
        sa.Column("family_name", sa.String(100)),
        sa.Column("birth_date", sa.String(10)),
        sa.Column("email", sa.String(200)),
        sa.Column("phone", sa.String(40)),
        sa.Column("ward", sa.String(20)),
        sa.Column("weight", sa.String(20)),
        sa.Column("active", sa.Boolean),
        sa.Column("notes", sa.Text),
        sa.Column("mrn", sa.String(40)),
        sa.Index("ix_bare_patient_family_name", "tenant_id", "family_name", "id"),
        sa.Index("uq_bare_patient_mrn", "tenant_id", "mrn", unique=True),
    )
    url = (admin_url or f"sqlite:///{folder / 'bare.db'}").replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url)
    if admin_url is None:

        @sa.event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode = wal")
            connection.execute("PRAGMA synchronous = normal")

    metadata.drop_all(engine)
    metadata.create_all(engine)
    with source.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = [
            {**row, "active": row["active"] == "True", "tenant_id": "t", "id": uuid7()} for row in csv.DictReader(file)
        ]
    begin = time.perf_counter()
    for start in range(0, len(rows), 1000):
        with engine.begin() as connection:
            connection.execute(sa.insert(table), rows[start : start + 1000])
    seconds = time.perf_counter() - begin
    engine.dispose()
    return len(rows) / seconds


def make_file(path: Path, count: int) -> Path:
    """A CSV of made-up patients."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for number in range(count):
            row = {**patient(number, {"wrapped": False}), "mrn": f"M{number}"}
            writer.writerow([row[name] for name in FIELDS])
    return path


@contextmanager
def platform_on(folder: Path, admin_url: str | None) -> Iterator[Platform]:
    """A migrated platform on a new SQLite file, or on the database of `admin_url`."""
    settings = {"url": f"sqlite:///{folder / 'brickwork.db'}"}
    if admin_url is not None:
        from brickwork.data.roles import create_roles

        roles = create_roles(admin_url)
        settings = {"url": roles.url, "owner_url": roles.owner_url}
    with Platform(settings={"database": settings, "platform": {"data_dir": folder}}, discover=False) as platform:
        platform.migrate()
        yield platform


def peak_memory(folder: Path, count: int) -> float:
    """Peak memory in MB of a process that imports `count` rows."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bulk_import", str(folder), str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Import in this process and print its peak memory."""
    folder, count = Path(sys.argv[1]) / f"memory-{sys.argv[2]}", int(sys.argv[2])
    folder.mkdir()
    source = make_file(folder / "patients.csv", count)
    with platform_on(folder, None) as platform, platform.context(tenant="t", actor="user:bench"):
        platform.entities.types.apply(TYPE)
        platform.entities.transfer.import_file("patient", source)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
