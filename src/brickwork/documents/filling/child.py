"""The process in which tenants' templates run: requests come in on stdin, answers go out on stdout, each a line of JSON.

It has a bound on memory, and is killed by its parent where a template takes too long.
"""

import json
import resource
import sys
from typing import Any

from brickwork.documents.filling.sandbox import FillError, OutputTooLargeError, fill


def main() -> None:
    """Answer until stdin ends."""
    most = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        made = {part: _filled(asked, part, name) for part, name in asked["names"].items()}
    except FillError as error:
        return {"error": str(error)}
    except OutputTooLargeError:
        return {"limit": "output"}
    except MemoryError:
        return {"limit": "memory"}
    return {"parts": made}


def _filled(asked: dict[str, Any], part: str, name: str) -> str:
    escaped = part in asked["escaped"]
    return fill(asked["sources"][part], name, asked["data"], asked["locale"], escaped=escaped, most=asked["most"])


if __name__ == "__main__":
    main()
