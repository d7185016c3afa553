"""Claim: a flag is decided in microseconds, in less time than OpenFeature takes with its own provider in memory.

Each answers in turns the same questions about 100 boolean flags: half are constant, a quarter serves one variant to a plan, a
quarter serves a share of the keys. The peer's flags do the same by functions in Python, not by rules that are data. Our provider
is also asked through OpenFeature.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.harness import result, say

FLAGS = 100


def run(*, quick: bool = False) -> dict[str, Any]:
    """Evaluations per second of each."""
    count, rounds = (5_000, 1) if quick else (50_000, 5)
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as folder:
        contestants = _contestants(Path(folder))
        rates: dict[str, list[float]] = {name: [] for name in contestants}
        asked = [(f"flag-{random.randrange(FLAGS)}", f"user:{random.randrange(10_000)}") for _ in range(count)]
        for _ in range(rounds):
            for name, ask in contestants.items():
                begin = time.perf_counter()
                on = sum(ask(key, user) for key, user in asked)
                rates[name].append(count / (time.perf_counter() - begin))
                if not 0 < on < count:
                    raise RuntimeError(f"{name} answered the same to all")
    median = {name: sorted(values)[len(values) // 2] for name, values in rates.items()}
    say("evaluations/s: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in median.items()))
    checks = {
        "microseconds": median["brickwork"] > 100_000,
        "through_openfeature_at_least_0.6_of_its_own": median["brickwork_openfeature"] >= 0.6 * median["openfeature"],
    }
    return result("flags", "evaluations/s", rates["brickwork"], {"openfeature": rates["openfeature"]}, checks)


def _contestants(folder: Path) -> dict[str, Callable[[str, str], bool]]:
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.provider.in_memory_provider import InMemoryProvider

    from brickwork.flags.openfeature import BrickworkProvider

    platform = _platform(folder)
    platform.enter(tenant="north", actor="user:bench")
    flags = platform.flags
    api.set_provider(InMemoryProvider(_peer_flags()), "theirs")
    api.set_provider(BrickworkProvider(platform), "ours")
    theirs, ours = api.get_client("theirs"), api.get_client("ours")

    def context(user: str) -> EvaluationContext:
        return EvaluationContext(targeting_key=user, attributes={"plan": "gold"})

    return {
        "brickwork": lambda key, user: flags.enabled(key, targeting_key=user, plan="gold"),
        "brickwork_openfeature": lambda key, user: ours.get_boolean_value(key, False, context(user)),
        "openfeature": lambda key, user: theirs.get_boolean_value(key, False, context(user)),
    }


def _platform(folder: Path) -> Any:
    from brickwork import Platform, hookimpl
    from brickwork.flags import Flag, Rollout, Rule

    def flag(number: int) -> Flag:
        rules = {2: [Rule(when='plan == "gold"', serve="on")], 3: [Rule(serve=Rollout(weights={"on": 30, "off": 70}))]}
        return Flag(key=f"flag-{number}", rules=rules.get(number % 4, []))

    class Product:
        @hookimpl
        def brickwork_flags(self) -> list[Flag]:
            return [flag(number) for number in range(FLAGS)]

    settings = {"database": {"url": f"sqlite:///{folder / 'flags.db'}"}, "platform": {"data_dir": folder}}
    platform = Platform(["flags"], settings=settings, plugins=[Product()], discover=False)
    platform.migrate()
    return platform


def _peer_flags() -> dict[str, Any]:
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider.in_memory_provider import InMemoryFlag

    def targeted(flag: Any, context: Any) -> Any:
        variant = "on" if context.attributes.get("plan") == "gold" else flag.default_variant
        return FlagResolutionDetails(flag.variants[variant], variant=variant, reason=Reason.TARGETING_MATCH)

    def shared(flag: Any, context: Any) -> Any:
        variant = "on" if crc32(context.targeting_key.encode()) % 100 < 30 else "off"
        return FlagResolutionDetails(flag.variants[variant], variant=variant, reason=Reason.SPLIT)

    deciders = {2: targeted, 3: shared}
    return {
        f"flag-{number}": InMemoryFlag("off", {"on": True, "off": False}, context_evaluator=deciders.get(number % 4))
        for number in range(FLAGS)
    }
