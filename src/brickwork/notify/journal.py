"""What a process has handed to providers and not yet told the database.

A provider's answer and our record of it can't be one step (RFC 1047 describes it for SMTP). Between them lies a line written to a
file, which outlives a killed process: whoever handles the batch after it reads there what was taken, and doesn't send that again.
What remains is the moment between a provider's answer and the line, and a machine that is lost with its disk.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from brickwork.kernel.ids import uuid7


class Journal:
    """Files in a folder, one for each batch on its way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def writing(self) -> Iterator["Pen"]:
        """A new file, by whose `claim` the rows of the batch refer to it. The caller removes it when the database knows."""
        self._folder.mkdir(parents=True, exist_ok=True)
        claim = uuid7().hex
        descriptor = os.open(self._path(claim), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            yield Pen(claim, descriptor)
        finally:
            os.close(descriptor)

    def taken(self, claim: str) -> dict[UUID, str]:
        """The deliveries that were handed over under a claim, with the provider's name for each."""
        try:
            lines = self._path(claim).read_text().splitlines()
        except FileNotFoundError:
            return {}
        found: dict[UUID, str] = {}
        for line in lines:
            id, _, provider = line.partition(" ")
            with suppress(ValueError):  # the last line may be cut short
                found[UUID(id)] = provider
        return found

    def remove(self, claim: str) -> None:
        """The database knows what is in it."""
        self._path(claim).unlink(missing_ok=True)

    def _path(self, claim: str) -> Path:
        return self._folder / f"{claim}.sent"


class Pen:
    """Writes to one file. Several threads may share it: a short line is written in one piece."""

    def __init__(self, claim: str, descriptor: int) -> None:
        self.claim = claim
        self._descriptor = descriptor

    def note(self, delivery: str, provider: str) -> None:
        """A provider took a delivery."""
        os.write(self._descriptor, f"{delivery} {provider}\n".encode())
