"""What a developer runs. `python -m pip install nox && nox -s demo` (or `tests`) needs Python 3.11 and pip, nothing else."""

import os
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"
# uv is quicker, but doesn't know pip's configuration (mirrors, certificates), so it is asked for and not just found
nox.options.default_venv_backend = "uv|venv" if os.environ.get("BRICKWORK_USE_UV") else "venv"
nox.options.error_on_missing_interpreters = True

PLUGINS = sorted(path for path in Path("plugins").glob("*") if (path / "pyproject.toml").exists())


def install(session: nox.Session, *extras: str) -> None:
    """The package with its extras, and every plugin, in development mode."""
    session.install("-e", f".[{','.join(extras)}]" if extras else ".")
    for plugin in PLUGINS:
        session.install("-e", str(plugin))


@nox.session
def demo(session: nox.Session) -> None:
    """Run the clinic example: import public records, find and merge duplicates, query, export."""
    session.install("-e", ".[dedupe]", "-r", "examples/clinic/requirements.txt")
    session.run("python", "examples/clinic/demo.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; those that need a server which is not there are skipped with a line that says which."""
    install(session, "dev")
    session.run("pytest", "--numprocesses", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, the direction of imports, and the documentation's links."""
    install(session, "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("mypy", *(str(plugin / "src") for plugin in PLUGINS))
    session.run("lint-imports")
    session.run("mkdocs", "build", "--strict", "--quiet", "--site-dir", session.create_tmp())


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks beside their peers: `nox -s bench -- NAME --json`."""
    install(session, "dev")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/."""
    install(session, "dev")
    session.run("mkdocs", "build", "--strict", *session.posargs)
