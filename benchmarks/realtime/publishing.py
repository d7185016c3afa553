"""What both servers do when told to publish: so many events at an even pace, then a line with the seconds that it took."""

import sys
import time
from collections.abc import Callable


def obey(publish: Callable[[float], None]) -> None:
    """Read "RATE COUNT" lines; `publish` gets the time."""
    for line in sys.stdin:
        rate, count = (int(word) for word in line.split())
        begin = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            publish(time.time())
        print(time.monotonic() - begin, flush=True)
