"""The harness that runs the documentation's blocks (conftest.py in the root) bites: wrong pages fail, and where."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(folder: Path, *pages: str) -> str:
    """What pytest prints of a project that has these pages only, and none of the plugins installed here."""
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").touch()
    (folder / "docs").mkdir()
    for number, page in enumerate(pages, 1):
        (folder / "docs" / f"page{number}.md").write_text(page, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rfs", "-p", "no:cacheprovider", "docs"]
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env=bare)
    return done.stdout


def test_blocks_of_a_page_share_names_files_and_modules(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        """
```python title="wards.py"
ICU = "icu"
```

```yaml title="types/ward.yaml"
name: ward
```

```python
import wards
from pathlib import Path
```

```python
assert wards.ICU == "icu"
assert Path("types/ward.yaml").read_text() == "name: ward\\n"
```
""",
    )
    assert "4 passed" in out


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("\n```python\nassert 1 == 2\n```\n", "assert 1 == 2"),
        ("\n```console\n$ brickwork --version\nbrickwork of tomorrow\n```\n", "did not print ['brickwork of tomorrow']"),
        ("\n```console\n$ brickwork no-such-command\n```\n", "ended with 2"),
        ("\n```console\n$ curl example.test\n```\n", "a console block can't run 'curl'"),
    ],
    ids=["python", "output", "exit", "program"],
)
def test_a_wrong_block_fails_where_it_stands(tmp_path: Path, page: str, told: str) -> None:
    out = run(tmp_path, page)
    assert "page1.md::line:2,column:1" in out
    assert told in out
    assert "1 failed" in out


def test_a_page_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        """
```python title="here.py"
```

```python
import here, os
assert os.path.exists("here.py")
```
""",
        """
```python
import os, pytest, sys
assert os.listdir() == []
assert "here" not in sys.modules
with pytest.raises(ImportError):
    import here
```
""",
    )
    assert "3 passed" in out


def test_a_skipped_block_is_told_with_its_reason(tmp_path: Path) -> None:
    out = run(tmp_path, '\n<!-- skip: next "needs a server" -->\n```python\nraise AssertionError\n```\n')
    assert "needs a server" in out
    assert "1 passed, 1 skipped" in out
