"""The policy that all contestants hold, and the questions."""

import random
import time
from collections.abc import Callable
from typing import Any

ROLES, GRANTS, CHECKS = 1_000, 10_000, 100_000
#: Roles whose permission depends on the resource; the others' holds for every one.
CONDITIONAL = range(ROLES // 2, ROLES)
#: Seconds after which a contestant has answered enough in a round.
LONGEST = 1.0

#: A user, the number of the role whose permission is asked for, and the resource, or None.
Check = tuple[str, int, dict[str, Any] | None]


class Policy:
    """Role n grants reading of report n; of the upper half, to the owner and below a limit only. Every user has one role."""

    def __init__(self) -> None:
        self.users = [f"user-{number}" for number in range(GRANTS)]

    def role_of(self, user: str) -> int:
        """The number of a user's role."""
        return int(user.partition("-")[2]) % ROLES

    def by_role(self, count: int) -> list[Check]:
        """Questions about unconditional roles; every other is to be allowed."""
        chance = random.Random(7)
        users = [user for user in self.users if self.role_of(user) not in CONDITIONAL]
        found: list[Check] = []
        for number in range(count):
            user = chance.choice(users)
            wanted = self.role_of(user) if number % 2 else chance.randrange(ROLES // 2)
            found.append((user, wanted, None))
        return found

    def by_condition(self, count: int) -> list[Check]:
        """Questions about conditional roles and a resource; a quarter is to be allowed."""
        chance = random.Random(8)
        users = [user for user in self.users if self.role_of(user) in CONDITIONAL]
        found: list[Check] = []
        for number in range(count):
            user = chance.choice(users)
            resource = {"owner": user if number % 2 else "somebody", "amount": chance.randrange(2000)}
            found.append((user, self.role_of(user), resource))
        return found


def rate(decide: Callable[[Check], bool], checks: list[Check]) -> float:
    """Decisions per second, over all questions or as many as fit into `LONGEST` seconds."""
    begin = time.perf_counter()
    done = 0
    for start in range(0, len(checks), 100):
        for check in checks[start : start + 100]:
            decide(check)
            done += 1
        if time.perf_counter() - begin > LONGEST:
            break
    return done / (time.perf_counter() - begin)
