"""What the benchmarks share: databases, and ratios of interleaved rounds."""

import contextlib
import os
import statistics
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

POSTGRES = os.environ.get("BRICKWORK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


def say(text: str) -> None:
    """Progress, away from the result."""
    print(text, file=sys.stderr, flush=True)


def peer(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """The peer's median, and the median of the rounds' ratios ours / theirs."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"value": round(statistics.median(theirs), 2), "ratio": round(statistics.median(ratios), 3)}


def result(
    name: str, unit: str, ours: Sequence[float], peers: Mapping[str, Sequence[float]], checks: Mapping[str, bool]
) -> dict[str, Any]:
    """A benchmark's figures in the form that `python -m benchmarks --json` prints."""
    return {
        "name": name,
        "unit": unit,
        "ours": round(statistics.median(ours), 2),
        "peers": {slug: peer(ours, rounds) for slug, rounds in peers.items()},
        "checks": dict(checks),
    }


def postgres_runs() -> bool:
    """Whether the PostgreSQL of `BRICKWORK_TEST_POSTGRES` answers; says so if not."""
    try:
        import psycopg

        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except Exception as error:  # absent driver, absent server: either leaves the rows out
        say(f"PostgreSQL is left out: {type(error).__name__}: {error}")
        return False
    return True


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """The administrator's URL of a new database, dropped in the end with its roles."""
    import psycopg
    from sqlalchemy.engine import make_url

    name = f"brickwork_bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            for role in (f"{name}_owner", f"{name}_app"):
                connection.execute(f'DROP ROLE IF EXISTS "{role}"')
