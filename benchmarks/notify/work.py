"""A worker to be killed: `python -m benchmarks.notify.work SETTINGS`, the settings as JSON. It runs until it is ended."""

import json
import signal
import sys


def main() -> None:
    """Handle what is owed."""
    from brickwork import Platform

    platform = Platform(["notify"], settings=json.loads(sys.argv[1]), discover=False)
    platform.messaging.subscribe()
    platform.get("notify")
    worker = platform.messaging.worker()
    worker.start()
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
