"""Decisions per second, and what a filtered list costs.

Claim: over 1,000 roles that are granted 10,000 times, "may this user do that" is decided at least 100 times as fast as by
pycasbin's Enforcer, 8 times as fast as by its FastEnforcer and as fast as by cedarpy with a prepared PolicySet and prepared
entities; 100,000 decisions by role and 20,000 by a condition a second; and a list of 1,000,000 records of which the caller may
see a part costs one query, by an index.

All contestants hold the same policy in memory, answer the same questions in turns, and must give the same answers. The slow ones
get fewer of them in each round.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.authorize import peers
from benchmarks.authorize.listing import one_indexed_query
from benchmarks.authorize.ours import Brickwork
from benchmarks.authorize.policy import CHECKS, Check, Policy, rate
from benchmarks.harness import result, say


def run(*, quick: bool = False) -> dict[str, Any]:
    """The figures of every contestant, with and without conditions, and of the list."""
    checks, rounds, records = (5_000, 1, 20_000) if quick else (CHECKS, 5, 1_000_000)
    policy = Policy()
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name:
        with Brickwork(Path(name), policy) as ours:
            contestants = {"brickwork": ours.by_role, **peers.by_role(policy)}
            rates = _race(contestants, policy.by_role(checks), rounds)
            cedar = {"brickwork": ours.by_condition, "cedarpy": peers.cedar_by_condition(policy)}
            conditional = _race(cedar, policy.by_condition(checks), rounds)
        indexed = one_indexed_query(Path(name), records)
    figures = result("authorize", "decisions/s", rates["brickwork"], {n: r for n, r in rates.items() if n != "brickwork"}, {})
    for peer, least in {"pycasbin": 100, "pycasbinfast": 8, "cedarpy": 1}.items():
        figures["checks"][f"{peer}_at_least_{least}"] = figures["peers"][peer]["ratio"] >= least
    figures["checks"]["by_role_at_least_100000"] = statistics.median(rates["brickwork"]) >= 100_000
    figures["checks"]["by_condition_at_least_20000"] = statistics.median(conditional["brickwork"]) >= 20_000
    figures["checks"]["by_condition_at_least_cedarpy"] = (
        result("", "", conditional["brickwork"], {"cedarpy": conditional["cedarpy"]}, {})["peers"]["cedarpy"]["ratio"] >= 1
    )
    figures["checks"][f"list_of_{records}_is_one_indexed_query"] = indexed
    return figures


def _race(contestants: dict[str, Any], checks: list[Check], rounds: int) -> dict[str, list[float]]:
    """Decisions per second of each in each round, after one in which what is loaded on first use is loaded."""
    told = {name: [decide(check) for check in checks[:200]] for name, decide in contestants.items()}
    if any(answers != told["brickwork"] for answers in told.values()) or len(set(told["brickwork"])) < 2:
        raise RuntimeError("the contestants don't agree, or answer the same to all")
    for check in checks:
        contestants["brickwork"](check)
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, decide in contestants.items():
            rates[name].append(rate(decide, checks))
    say("decisions/s: " + ", ".join(f"{name} {statistics.median(values):,.0f}" for name, values in rates.items()))
    return rates
