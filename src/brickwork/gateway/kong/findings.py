"""What an export can't carry over, or carries over differently."""

import attrs


@attrs.frozen
class Finding:
    """Something that Kong OSS has not (`missing`), or has in another way. `where` is a place in the definition."""

    where: str
    what: str
    missing: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Findings:
    """Collects findings, each once, in order."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def missing(self, where: str, what: str) -> None:
        """Kong has no such thing; without leave, nothing is exported."""
        self._found[Finding(where, what, missing=True)] = None

    def different(self, where: str, what: str) -> None:
        """Kong does it differently; whoever deploys should know."""
        self._found[Finding(where, what, missing=False)] = None

    @property
    def all(self) -> tuple[Finding, ...]:
        return tuple(self._found)
