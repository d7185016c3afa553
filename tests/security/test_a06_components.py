"""A06:2021 Vulnerable and outdated components: what the project takes in is named with its least version, and what is known to
be unsafe is not used. (No list of vulnerabilities can be reached from a test; `pip-audit` belongs into a product's own CI.)"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Calls that run or build what comes in, and why they are not used.
UNSAFE = {
    "eval": "runs text",
    "exec": "runs text",
    "pickle.loads": "runs what it loads",
    "pickle.load": "runs what it loads",
    "marshal.loads": "runs what it loads",
    "yaml.load": "builds objects",
    "yaml.unsafe_load": "builds objects",
    "os.system": "a shell",
    "tempfile.mktemp": "a race",
    "random.choice": "guessable",
    "hashlib.md5": "broken",
    "hashlib.sha1": "broken",
}


def test_every_dependency_has_a_least_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for one in named:
        if not one.startswith(("brickwork[", "types-")):
            assert re.search(r"(>=|==)\d", one), one


@pytest.mark.parametrize("folder", ["src", "plugins"])
def test_nothing_that_is_known_to_be_unsafe_is_called(folder):
    found = []
    for path in (ROOT / folder).rglob("*.py"):
        if "/tests/" in path.as_posix():
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in UNSAFE:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}: {UNSAFE[name]}")
            if isinstance(node, ast.Call) and any(k.arg == "shell" and ast.unparse(k.value) == "True" for k in node.keywords):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} a shell")
            if isinstance(node, ast.Import | ast.ImportFrom) and "authlib.jose" in ast.unparse(node):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} authlib.jose is given up by its makers")
    assert found == []
