"""Rules for every page: its blocks are marked so that the harness sees them, and what it names exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Markings of blocks that are shown and not run; code has to be marked `python` or `console`.
SHOWN = {"js", "json", "toml", "yaml", "http", "sql", "text"}

FENCE = re.compile(r"^[ \t]*(`{3,})(?P<marking>[^`\n]*)\n.*?^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"<!--+\s*skip:(?P<arguments>.*?)--+>", re.DOTALL)
TITLED = re.compile(r'\w+ title="[^"/][^"]*"')


@pytest.fixture(params=PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def page(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text(encoding="utf-8")


def test_every_block_has_a_marking_that_is_run_or_only_shown(page: str) -> None:
    markings = [fence["marking"].strip() for fence in FENCE.finditer(page)]
    unknown = [text for text in markings if text not in SHOWN | {"python", "console"} and not TITLED.fullmatch(text)]
    assert not unknown


def test_indented_blocks_hold_no_python(page: str) -> None:
    outside = FENCE.sub("", page)
    escaped = re.findall(r"^ {4}(?:import |from \w+ import|def |class |with |assert |platform[ .=]).*", outside, re.MULTILINE)
    assert not escaped, "Python goes into a block marked `python`, so that it runs"


def test_a_block_is_left_out_only_with_a_reason(page: str) -> None:
    skips = [match["arguments"].strip() for match in SKIP.finditer(page)]
    unexplained = [text for text in skips if not re.fullmatch(r'next "[^"]{10,}"', text)]
    assert not unexplained, 'write <!-- skip: next "the reason" -->'


def test_a_page_has_one_title_and_something_to_say(page: str) -> None:
    text = FENCE.sub("", page)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert len(text.split()) > 20


def test_the_sessions_that_pages_name_are_in_the_noxfile(page: str) -> None:
    sessions = set(re.findall(r"^@nox\.session\ndef (\w+)", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for names in re.findall(r"nox -s ([\w ]+?)(?= --|`|$)", page, re.MULTILINE) for name in names.split()}
    assert named <= sessions


def test_what_pages_name_in_the_package_exists(page: str) -> None:
    for name in re.findall(r"`(brickwork(?:\.\w+)+)[`(]", page):
        if name in {"brickwork.toml", "brickwork.db"}:
            continue
        module, _, attribute = name.rpartition(".")
        try:
            found = import_module(name)
        except ModuleNotFoundError:
            assert hasattr(import_module(module), attribute), name
        else:
            assert found.__file__, f"{name} is an empty folder"


def test_links_in_the_repository_lead_somewhere(page: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.node.callspec.params["page"].parent
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", page) if "://" not in t]
    assert [target for target in targets if target and not (folder / target).exists()] == []
