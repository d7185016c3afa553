"""`brickwork entities`: types, import, export and duplicates from the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from brickwork.cli.state import ActorOption, TenantOption, json_object, working
from brickwork.errors import ValidationError

if TYPE_CHECKING:
    from brickwork.entities.mapping import Column

app = typer.Typer(no_args_is_help=True, help="Entity types and records.")
out = Console()


@app.command()
def types(context: typer.Context, tenant: TenantOption, actor: ActorOption = "cli") -> None:
    """List a tenant's types."""
    with working(context, tenant, actor) as platform:
        table = Table("Type", "Fields", "Relations")
        for definition in platform.entities.types.list():
            table.add_row(definition.name, ", ".join(definition.fields), ", ".join(definition.relations))
    out.print(table)


@app.command()
def apply(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="YAML or JSON file of definitions, or a folder of them")],
    tenant: TenantOption,
    actor: ActorOption = "cli",
    allow_loss: Annotated[bool, typer.Option(help="Drop values that the new definition can't hold")] = False,
    preview: Annotated[bool, typer.Option(help="Only say what would happen")] = False,
) -> None:
    """Put definitions into force for a tenant."""
    from brickwork.entities import load_definitions

    definitions = load_definitions(path)
    with working(context, tenant, actor) as platform:
        for definition in definitions:
            plan = platform.entities.types.preview(definition)
            out.print(plan.describe(), highlight=False, soft_wrap=True)
            if not preview:
                platform.entities.types.apply(definition, allow_loss=allow_loss)


@app.command("import")
def import_(
    context: typer.Context,
    type: Annotated[str, typer.Argument(help="Entity type")],
    path: Annotated[Path, typer.Argument(help="CSV, JSON Lines or XLSX file")],
    tenant: TenantOption,
    actor: ActorOption = "cli",
    key: Annotated[str | None, typer.Option(help="Unique field (or group a+b) by which rows change existing records")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="column=field, column=field:by, or column= to leave out")
    ] = None,
    rejects: Annotated[Path | None, typer.Option(help="File for rows that are wrong, with the reasons")] = None,
    stop: Annotated[bool, typer.Option(help="Stop at the first wrong rows")] = False,
    dry_run: Annotated[bool, typer.Option(help="Check everything, write nothing")] = False,
    again: Annotated[bool, typer.Option(help="Import a file once more that was imported without a key")] = False,
    format: Annotated[str | None, typer.Option(help="csv, jsonl or xlsx, if the name does not tell")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of a text file")] = None,
) -> None:
    """Import a file; an interrupted import goes on where it stopped when it is repeated."""
    with working(context, tenant, actor) as platform, _bar("importing") as (bar, task):
        report = platform.entities.transfer.import_file(
            type,
            path,
            key=key,
            mapping=_mapping(mapping),
            rejects=rejects,
            on_error="stop" if stop else "reject",
            dry_run=dry_run,
            again=again,
            format=format,
            encoding=encoding,
            progress=lambda rows, done, size: bar.update(task, completed=done, total=size, description=f"{rows:,} rows"),
        )
    verb = "would be " if report.dry_run else ""
    out.print(
        f"{report.rows:,} rows in {report.seconds:.1f} s: {report.created:,} {verb}created, {report.updated:,} {verb}updated, "
        f"{report.unchanged:,} unchanged, {report.rejected:,} rejected",
        highlight=False,
    )
    if report.rejects is not None:
        out.print(f"rejected rows are in {report.rejects}", highlight=False)
    if report.rejected:
        raise typer.Exit(2)


@app.command("export")
def export(
    context: typer.Context,
    type: Annotated[str, typer.Argument(help="Entity type")],
    path: Annotated[Path, typer.Argument(help="File to write: .csv, .jsonl or .xlsx")],
    tenant: TenantOption,
    actor: ActorOption = "cli",
    where: Annotated[str | None, typer.Option(help="Filter, as JSON")] = None,
    fields: Annotated[str | None, typer.Option(help="Fields, separated by commas")] = None,
    include_sensitive: Annotated[bool, typer.Option(help="Write sensitive fields too")] = False,
) -> None:
    """Export records; the file appears when it is complete."""
    with working(context, tenant, actor) as platform, _bar("exporting") as (bar, task):
        report = platform.entities.transfer.export_file(
            type,
            path,
            where=_filter(where),
            fields=fields.split(",") if fields else None,
            include_sensitive=include_sensitive,
            progress=lambda rows: bar.update(task, description=f"{rows:,} rows"),
        )
    out.print(f"{report.rows:,} rows to {report.path} in {report.seconds:.1f} s", highlight=False)


@app.command()
def dedupe(
    context: typer.Context,
    type: Annotated[str, typer.Argument(help="Entity type whose definition has rules for duplicates")],
    tenant: TenantOption,
    actor: ActorOption = "cli",
    merge: Annotated[bool, typer.Option(help="Merge the sure ones")] = False,
    show: Annotated[int, typer.Option(min=0, max=200, help="Pairs of the queue to print")] = 10,
) -> None:
    """Find duplicates, show the review queue, and merge the sure ones if asked to."""
    with working(context, tenant, actor) as platform:
        duplicates = platform.entities.duplicates
        with _bar("comparing") as (bar, task):
            report = duplicates.find(
                type, progress=lambda step, done, total: bar.update(task, description=step, completed=done, total=total)
            )
        out.print(
            f"{report.records:,} records, {report.compared:,} of {report.possible:,} pairs compared: "
            f"{report.sure:,} sure, {report.review:,} to review",
            highlight=False,
        )
        if merge:
            with _bar("merging") as (bar, task):
                merged = duplicates.merge_sure(type, progress=lambda done, total: bar.update(task, completed=done, total=total))
            out.print(
                f"{merged.merged:,} records merged in {merged.clusters:,} clusters, {merged.skipped:,} skipped", highlight=False
            )
            for reason in merged.reasons:
                out.print(f"  {reason}", highlight=False)
        page = duplicates.queue(type, limit=show) if show else None
    if page is not None and len(page):
        table = Table("Probability", "One", "Other", "Why")
        for match in page.items:
            why = "; ".join(f"{e.field or 'household'}: {e.note}" for e in match.evidence)
            table.add_row(f"{match.probability:.3f}", match.left.title, match.right.title, why)
        out.print(table)


@app.command()
def rekey(
    context: typer.Context,
    type: Annotated[str, typer.Argument(help="Entity type")],
    tenant: TenantOption,
    actor: ActorOption = "cli",
) -> None:
    """Encrypt the sensitive fields of a type again with the active key."""
    with working(context, tenant, actor) as platform:
        changed = platform.entities.rekey(type)
    out.print(f"{changed:,} records encrypted again", highlight=False)


@contextmanager
def _bar(what: str) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on the error stream, gone when it is done."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield bar, bar.add_task(what, total=None)


def _mapping(pairs: list[str] | None) -> "dict[str, str | Column | None] | None":
    from brickwork.entities.mapping import Column

    if not pairs:
        return None
    mapped: dict[str, str | Column | None] = {}
    for pair in pairs:
        column, equals, target = pair.partition("=")
        if not equals:
            raise ValidationError(f"--map {pair!r}: takes column=field, column=field:by or column=", field="map")
        field, _, by = target.partition(":")
        mapped[column] = Column(field, by or None) if field else None
    return mapped


def _filter(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    return json_object(text, "where")
