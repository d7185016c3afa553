"""The reference pages say what the code says: no row too many, none missing, no default out of date."""

import re
from pathlib import Path
from typing import get_args

import typer

from brickwork import Platform, errors
from brickwork.cli.app import app
from brickwork.entities.definitions import FieldBase
from brickwork.kernel.settings import PlatformSettings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def rows(page: str) -> list[list[str]]:
    """The cells of every table row on a page, without the heads."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_settings() -> None:
    with Platform(settings={"database": {"url": "sqlite://"}}) as platform:
        models = {"platform": PlatformSettings, **{c.name: c.settings for c in platform.plugins.components.values()}}
    expected = {
        (section, key, str(field.get_default(call_default_factory=True)))
        for section, model in models.items()
        for key, field in model.model_fields.items()
    }
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    told = set()
    for section, body in re.findall(r"^## `\[(\w+)\]`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        told |= {(section, key, default) for key, default in re.findall(r"^\| `(\w+)` \| `(.*?)` \|", body, re.MULTILINE)}
    assert told == expected


def test_errors() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.BrickworkError)}
    expected = {(c.__name__, c.code, c.status) for c in classes - {errors.BrickworkError}}
    assert {(name.strip("`"), code.strip("`"), int(status)) for name, code, status in rows("errors.md")} == expected


def test_fields() -> None:
    kinds = {get_args(model.model_fields["type"].annotation)[0]: model for model in FieldBase.__subclasses__()}
    told = {name.strip("`"): options for name, _, options in rows("fields.md")}
    assert told.keys() == kinds.keys()
    for name, model in kinds.items():
        for option in model.model_fields.keys() - FieldBase.model_fields.keys() - {"type"}:
            assert f"`{option}`" in told[name], f"{name} has the option {option}"


def test_commands() -> None:
    def leaves(command: object, path: str) -> set[str]:
        commands = getattr(command, "commands", None)
        if not commands:
            return {path}
        return set().union(*(leaves(sub, f"{path} {name}") for name, sub in commands.items()))

    told = set()
    for cell in (row[0] for row in rows("command.md")):
        first, *others = re.findall(r"`([^`]+)`", cell)
        path = " ".join(word for word in first.split() if re.fullmatch(r"[a-z]+", word))
        group = path.rpartition(" ")[0]
        told |= {path, *(f"{group} {other.split()[0]}" for other in others)}
    assert told == leaves(typer.main.get_command(app), "brickwork")


def test_markup() -> None:
    from brickwork.documents.markup.elements import KINDS

    told = {}
    for name, attributes in re.findall(r"^\| `<(\w+)>` \| (.*?) \|", (REFERENCE / "markup.md").read_text("utf-8"), re.MULTILINE):
        told[name] = set(re.findall(r"`(\w+)`", attributes))
    assert told == {name: set(kind.attributes) for name, kind in KINDS.items()}
