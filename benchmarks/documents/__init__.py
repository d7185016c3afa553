"""Claim: documents of our markup are made at the speed of a program written for reportlab, and many times faster than from HTML.

One-page invoices, in turns: ours from its source, the same page drawn by a program for reportlab's Platypus (fixed widths of
columns, strings in cells, "page X of Y" by a canvas that keeps its pages), and WeasyPrint from like HTML. Then reports of 500
pages, ours and reportlab's; WeasyPrint is left out of those, which would take it minutes. Last, the memory that 5,000 pages take,
in a process of its own.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from benchmarks.documents import contestants
from benchmarks.harness import result, say

ENOUGH = 0.7


def run(*, quick: bool = False) -> dict[str, Any]:
    """Invoices per second of each, and how reports compare."""
    rounds, count = (1, 3) if quick else (7, 40)
    invoices = _rates(
        {
            "brickwork": (contestants.invoice, count),
            "reportlab": (contestants.invoice_bare, count),
            "weasyprint": (contestants.invoice_weasyprint, max(count // 12, 1)),
        },
        rounds,
    )
    pages = 20 if quick else 500
    reports = _rates(
        {
            "brickwork": (lambda: contestants.report(pages), 1),
            "reportlab": (lambda: contestants.report_bare(pages), 1),
        },
        min(rounds, 3),
    )
    for name, of in (("invoices", invoices), (f"reports of {pages} pages", reports)):
        say(f"{name}/s: " + ", ".join(f"{who} {median(rates):,.2f}" for who, rates in of.items()))
    many = 100 if quick else 5000
    say(f"{many} pages take {_memory(many)} MiB at most")
    ratio = median(a / b for a, b in zip(reports["brickwork"], reports["reportlab"], strict=True))
    say(f"reports: {ratio:.2f} of reportlab")
    fast = median(a / b for a, b in zip(invoices["brickwork"], invoices["weasyprint"], strict=True))
    bare = median(a / b for a, b in zip(invoices["brickwork"], invoices["reportlab"], strict=True))
    checks = {
        "invoices_at_least_0.7_of_reportlab": bare >= ENOUGH,
        "reports_at_least_0.7_of_reportlab": ratio >= ENOUGH,
        "invoices_30_times_weasyprint": fast >= 30,
        "same_bytes_each_time": contestants.invoice() == contestants.invoice(),
    }
    peers = {name: invoices[name] for name in ("reportlab", "weasyprint")}
    return result("documents", "invoices/s", invoices["brickwork"], peers, checks)


def _rates(of: Mapping[str, tuple[Callable[[], bytes], int]], rounds: int) -> dict[str, list[float]]:
    """Documents per second, in interleaved rounds after one to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in of}
    for number in range(rounds + 1):
        for name, (make, count) in of.items():
            begin = time.perf_counter()
            for _ in range(count if number else 1):
                if not make().startswith(b"%PDF-"):
                    raise RuntimeError(f"{name} made no PDF")
            if number:
                rates[name].append(count / (time.perf_counter() - begin))
    return rates


def _memory(pages: int) -> int:
    """The most that a process takes which makes a report, in MiB."""
    code = (f"import resource; from benchmarks.documents import contestants; contestants.report({pages}); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)")  # fmt: skip
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
