"""Runs the Python blocks of the README and of the documentation, page by page, each in an empty folder."""

import os
import tempfile
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def _begin(namespace: dict[str, Any]) -> None:
    namespace["_folder"] = tempfile.TemporaryDirectory(prefix="brickwork-docs-", ignore_cleanup_errors=True)
    namespace["_home"] = os.getcwd()
    os.chdir(namespace["_folder"].name)


def _end(namespace: dict[str, Any]) -> None:
    for value in list(namespace.values()):
        if type(value).__name__ == "Platform":
            value.close()
    os.chdir(namespace["_home"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["README.md", "docs/*.md", "docs/**/*.md"], setup=_begin, teardown=_end
).pytest()
