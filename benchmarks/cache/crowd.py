"""A process of the crowd that misses one key: prints how often its loader ran."""

import sys
import threading
import time

from benchmarks.cache import platform_on


def main() -> None:
    """Wait for the moment, and ask."""
    folder, prefix, start, threads = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    loads: list[int] = []
    answers: list[object] = []

    def load() -> str:
        loads.append(1)
        time.sleep(1)  # a slow source, so that all the others come meanwhile
        return "value"

    with platform_on(folder, prefix) as platform:
        region = platform.cache.region("shared")

        def ask() -> None:
            time.sleep(max(0.0, start - time.time()))
            with platform.context(tenant="north"):
                answers.append(region.get_or_load("crowd", load))

        crowd = [threading.Thread(target=ask) for _ in range(threads)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    assert answers == ["value"] * threads
    print(len(loads))


if __name__ == "__main__":
    main()
