"""Runs the code blocks of the README and of the documentation as tests, page by page, each page in an empty folder.
(At the end: what becomes of tests that need an optional dependency.)

- Blocks marked `python` run one after the other and share their names.
- Blocks with a title (`yaml title="types/patient.yaml"`) become that file; the page's Python can import a titled module.
- In blocks marked `console` each line `$ brickwork …` (or `$ pytest …`) runs; lines below it must stand in what it prints.

Only a comment with a reason takes a block out: `<!-- skip: next "needs a PostgreSQL server" -->`.
"""

import logging
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

#: Seconds that one command of a console block may take.
COMMAND_TIMEOUT = 60
#: What a page may run, and the module that is run for it, by the interpreter that runs the tests.
COMMANDS = {"brickwork": "brickwork", "pytest": "pytest"}

_titled = RawFencedCodeBlockLexer(re.compile(r'(?P<language>\w+) title="(?P<title>[^"]+)"\n'))


def _files(document: Document) -> Iterator[Region]:
    for region in _titled(document):
        yield Region(region.start, region.end, (region.lexemes["title"], region.lexemes["source"]), _write)


def _write(example: Example) -> None:
    title, source = example.parsed
    file = Path(example.namespace["_folder"].name, title)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")


def _console(example: Example) -> None:
    for part in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        program, *arguments = shlex.split(command)
        assert program in COMMANDS, f"a console block can't run {program!r}; leave the marking off, or skip it with a reason"
        done = subprocess.run(
            [sys.executable, "-m", COMMANDS[program], *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert done.returncode == 0, f"$ {command}\nended with {done.returncode} and printed\n{done.stdout}"
        missing = [line for line in expected.splitlines() if line.strip() and line.strip() not in done.stdout]
        assert not missing, f"$ {command}\ndid not print {missing}, but\n{done.stdout}"


def _begin(namespace: dict[str, Any]) -> None:
    namespace["_folder"] = tempfile.TemporaryDirectory(prefix="brickwork-docs-", ignore_cleanup_errors=True)
    namespace["_before"] = os.getcwd(), list(sys.path), set(sys.modules)
    os.chdir(namespace["_folder"].name)
    sys.path.insert(0, namespace["_folder"].name)


def _end(namespace: dict[str, Any]) -> None:
    for value in list(namespace.values()):
        if type(value).__name__ == "Platform":
            value.close()
    root = logging.getLogger()  # a page may have configured logging, which is the whole process's
    root.handlers[:] = [handler for handler in root.handlers if type(handler.formatter).__name__ != "ProcessorFormatter"]
    root.setLevel(logging.WARNING)
    folder, (home, path, modules) = namespace["_folder"], namespace["_before"]
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(folder.name):
            del sys.modules[name]
    sys.path[:] = path
    os.chdir(home)
    folder.cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("console", _console), _files, SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=_begin,
    teardown=_end,
).pytest()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Where an extra is not installed, what needs it is skipped with a line that says which; in CI it fails."""
    from brickwork.errors import MissingDependencyError

    try:
        return (yield)
    except MissingDependencyError as error:
        if os.environ.get("BRICKWORK_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip(str(error))
