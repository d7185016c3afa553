"""`python -m benchmarks [NAME] [--json] [--quick]`: one benchmark, or all, as a table or as JSON in the last line."""

import argparse
import importlib
import json
import pkgutil
import signal
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

import benchmarks

_HELPERS = {"harness"}


def names() -> list[str]:
    """Every benchmark."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in _HELPERS)


def table(results: list[dict[str, Any]]) -> Table:
    """The figures, a row a peer."""
    out = Table("Benchmark", "Ours", "Peer", "Peer's", "Ratio", "Checks", title="higher is better")
    for result in results:
        checks = "\n".join(f"{'ok' if good else 'FAILED'} {name}" for name, good in result["checks"].items())
        ours = f"{result['ours']:,.0f} {result['unit']}"
        rows = [(peer, f"{figures['value']:,.0f}", f"{figures['ratio']:.2f}") for peer, figures in result["peers"].items()]
        for n, (peer, value, ratio) in enumerate(rows or [("-", "", "")]):
            out.add_row(result["name"] if n == 0 else "", ours if n == 0 else "", peer, value, ratio, checks if n == 0 else "")
    return out


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="?", choices=names(), help="one benchmark; all if left out")
    parser.add_argument("--json", action="store_true", help="print a JSON object in the last line")
    parser.add_argument("--quick", action="store_true", help="a short run that shows that it works, not how fast")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that servers and databases go with us
    results = []
    for name in [given.name] if given.name else names():
        print(f"running {name}", file=sys.stderr)
        results.append(dict(importlib.import_module(f"benchmarks.{name}").run(quick=given.quick)))
    if given.json:
        for result in results:
            print(json.dumps(result))
    else:
        Console().print(table(results))


if __name__ == "__main__":
    main()
