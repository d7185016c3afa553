"""Storage as a product sees it: `platform.storage`."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import attrs
from sqlalchemy import select, update

from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.data.session import INCLUDE_DELETED
from brickwork.errors import DuplicateError, NotFoundError, TooLargeError, ValidationError
from brickwork.kernel.component import Health
from brickwork.kernel.context import SYSTEM_TENANT, Context
from brickwork.kernel.ids import uuid7
from brickwork.storage.blob import HEAD, Blob, check_name, kind_of
from brickwork.storage.errors import BlobDamagedError, BlobRefusedError, QuotaError
from brickwork.storage.links import Links
from brickwork.storage.models import BlobRow, ContentRow, UsageRow
from brickwork.storage.port import BlobStore
from brickwork.storage.sealing import ContentKey, OpenedStream, place_of
from brickwork.storage.settings import StorageSettings

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.data.keyring import Keyring
    from brickwork.kernel.platform import Platform

_content: Any = ContentRow.__table__
_usage: Any = UsageRow.__table__
Content = bytes | BinaryIO | Iterable[bytes]
_CHUNK = 1 << 20
_WHERE = "storage.content"


@attrs.frozen
class ContentDropped:
    """No file refers to some bytes any more; they go once that is committed."""

    key: str


@attrs.frozen
class _Written:
    """Bytes that are in the store, and that nothing refers to yet."""

    id: UUID
    key: str
    sha256: str
    size: int
    media_type: str
    sealed: str | None


class Storage:
    """The tenant's files."""

    def __init__(self, platform: "Platform", settings: StorageSettings) -> None:
        self._platform = platform
        self._settings = settings
        self.store: BlobStore = platform.backend("storage", settings.backend)
        self.links = Links(settings.public_url or "", lambda: self._keyring)

    # -- writing -------------------------------------------------------------------------------------------------------

    def put(self, content: Content, *, name: str, media_type: str | None = None) -> Blob:
        """Store a file, in bounded memory. Its kind is told by its content; `media_type` and the name must not contradict it. The
        same content is kept once. Raises `ValidationError`, `BlobRefusedError`, `TooLargeError` and `QuotaError`; nothing is left
        behind then."""
        self._platform.require("storage.write")
        check_name(name)
        written = self._write(content, name, media_type)
        try:
            self._scan(name, written)
            with self._platform.transaction() as transaction:
                blob, kept = self._enter(transaction, name, written)
        except BaseException:
            self.store.delete(written.key)
            raise
        if not kept:
            self.store.delete(written.key)
        return blob

    def delete(self, id: UUID) -> None:
        """Hide a file; `restore` brings it back. Raises `NotFoundError`."""
        self._platform.require("storage.write")
        with self._platform.transaction() as transaction:
            transaction.session.delete(self._row(transaction, id))

    def restore(self, id: UUID) -> Blob:
        """Bring a file back that was deleted. Raises `NotFoundError`."""
        self._platform.require("storage.write")
        with self._platform.transaction() as transaction:
            row = self._row(transaction, id, deleted=True)
            transaction.session.restore(row)
            transaction.flush()
            return _present(row)

    def erase(self, id: UUID) -> None:
        """Remove a file for good, deleted or not, and its content if no other file has the same. Raises `NotFoundError`."""
        self._platform.require("storage.erase")
        with self._platform.transaction() as transaction:
            row = self._row(transaction, id, deleted=True)
            content = self._locked(transaction, ContentRow.id == row.content_id)
            transaction.session.purge(row)
            freed = 0
            if content is not None:
                content.refs -= 1
                if content.refs == 0:
                    freed = content.size
                    transaction.publish(ContentDropped(content.key))
                    transaction.session.delete(content)
            self._count(transaction, -freed, -1)

    # -- reading -------------------------------------------------------------------------------------------------------

    def get(self, id: UUID) -> Blob:
        """A file; raises `NotFoundError`."""
        self._platform.require("storage.read")
        with self._platform.transaction(readonly=True) as transaction:
            return _present(self._row(transaction, id))

    def open(self, id: UUID, *, start: int = 0) -> BinaryIO:
        """A stream of a file's content from a byte on, which the caller closes. Raises `NotFoundError`, and while it is read
        `BlobDamagedError`."""
        self._platform.require("storage.read")
        with self._platform.transaction(readonly=True) as transaction:
            row = self._row(transaction, id)
            content = transaction.session.get(ContentRow, (transaction.tenant, row.content_id))
            if content is None:
                raise NotFoundError(f"the content of {id} is gone")
            where = (content.id, content.key, content.sealed, content.size)
        if not 0 <= start <= where[3]:
            raise ValidationError(f"start is {start}; the file has {where[3]} bytes", field="start")
        return self._opened(*where, start)

    def read(self, id: UUID) -> bytes:
        """A file's content, in memory. Raises `NotFoundError` and `BlobDamagedError`."""
        with self.open(id) as stream:
            content = stream.read()
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.get(id).sha256:
            raise BlobDamagedError(f"the content of {id} is not what was stored")
        return content

    def list(self, *, limit: int = 50, cursor: str | None = None) -> Page[Blob]:
        """The newest files first, at most `limit` (1 to 500) a page."""
        self._platform.require("storage.read")
        cut(limit, 500)
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(BlobRow).order_by(BlobRow.id.desc()).limit(limit + 1)
            if cursor is not None:
                wanted = wanted.where(BlobRow.id < UUID(str(decode_cursor(cursor, "blobs")[0])))
            blobs = [_present(row) for row in transaction.session.scalars(wanted)]
        return Page(blobs[:limit], encode_cursor("blobs", [str(blobs[limit - 1].id)]) if len(blobs) > limit else None)

    def usage(self) -> tuple[int, int]:
        """The bytes and files that the tenant has; contents that several files share count once."""
        self._platform.require("storage.read")
        with self._platform.transaction(readonly=True) as transaction:
            row = transaction.session.get(UsageRow, (transaction.tenant,))
            return (0, 0) if row is None else (row.bytes, row.files)

    def url(self, id: UUID, *, expires_in: timedelta = timedelta(minutes=15), inline: bool = False) -> str:
        """A link to a file, good for a time (at most a week) and for whoever has it. With `inline` a browser shows it, if it is
        of a kind that can do no harm. Raises `NotFoundError`."""
        if not timedelta(0) < expires_in <= timedelta(days=7):
            raise ValidationError("a link is good for up to a week", field="expires_in")
        blob = self.get(id)
        tenant = self._platform.current.require_tenant()
        return self.links.make(tenant, blob.id, self._platform.clock.now() + expires_in, inline=inline)

    # -- keeping order -------------------------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Remove bytes that no file refers to, as a process leaves that is killed while it stores, once they are older than
        `storage.grace`; how many contents."""
        limit = self._platform.clock.now() - timedelta(seconds=self._settings.grace)
        removed = 0
        for batch in _batches(key for key in self.store.list("") if _made(key) < limit):
            with self._platform.database.begin(Context(system=True), readonly=True) as transaction:
                known = set(transaction.execute(select(_content.c.key).where(_content.c.key.in_(batch))).scalars())
            for key in batch:
                if key not in known:
                    self.store.delete(key)
                    removed += 1
        return removed

    def health(self) -> Health:
        return self.store.health()

    def close(self) -> None:
        self.store.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _keyring(self) -> "Keyring":
        keyring: Keyring = self._platform.get("keyring")
        return keyring

    def _write(self, content: Content, name: str, declared: str | None) -> _Written:
        """Put the bytes into the store, told and measured on the way."""
        context = self._platform.current
        tenant = SYSTEM_TENANT if context.system else context.require_tenant()
        id = uuid7()
        chunks = _chunks(content)
        head, chunks = _headed(chunks)
        kind = kind_of(name, declared, head)
        self._check_kind(name, kind)
        measured = _Measure(chunks, self._settings.max_bytes)
        key = ContentKey.new() if self._settings.encrypt else None
        path = f"{tenant.replace('*', '_system')}/{id.hex[-2:]}/{id.hex}"
        self.store.write(path, key.seal(measured) if key is not None else measured)
        sealed = self._keyring.encrypt(tenant, f"{_WHERE}/{id}", str(key)) if key is not None else None
        return _Written(id, path, measured.sha256, measured.size, kind, sealed)

    def _check_kind(self, name: str, kind: str) -> None:
        allowed, refused = self._settings.allowed, self._settings.refused
        if any(fnmatchcase(kind, one) for one in refused) or (
            allowed is not None and not any(fnmatchcase(kind, one) for one in allowed)
        ):
            told = f"; {', '.join(allowed)} are taken" if allowed else ""
            raise BlobRefusedError(f"{name[:80]!r} is {kind}, which is not taken{told}", field="content")

    def _scan(self, name: str, written: _Written) -> None:
        """Let scanners look at what is about to be stored; they raise what refuses it."""
        hook = self._platform.plugins.hook.brickwork_scan_blob

        def opened() -> BinaryIO:
            return self._opened(written.id, written.key, written.sealed, written.size, 0)

        hook(platform=self._platform, name=name, media_type=written.media_type, open=opened)

    def _enter(self, transaction: "Transaction", name: str, written: _Written) -> tuple[Blob, bool]:
        """Make the rows of a file; whether its bytes are used, or the same are there already."""
        content = self._locked(transaction, ContentRow.sha256 == written.sha256)
        kept = content is None
        if content is None:
            content = ContentRow(id=written.id, sha256=written.sha256, size=written.size, key=written.key,
                                 sealed=written.sealed, refs=0)  # fmt: skip
            try:
                with transaction.savepoint():
                    transaction.session.add(content)
            except DuplicateError:  # somebody else stored the same just now
                content, kept = self._locked(transaction, ContentRow.sha256 == written.sha256), False
                if content is None:
                    raise
        content.refs += 1
        row = BlobRow(id=uuid7(), name=name, media_type=written.media_type, content_id=content.id, size=written.size,
                      sha256=written.sha256, created_by=transaction.context.actor)  # fmt: skip
        transaction.session.add(row)
        self._count(transaction, written.size if kept else 0, 1)
        transaction.flush()
        return _present(row), kept

    def _count(self, transaction: "Transaction", size: int, files: int) -> None:
        """Add to what the tenant uses, and hold it against the quota; the row makes those that do it at once wait."""
        mine = _usage.c.tenant_id == transaction.tenant
        changed = update(_usage).where(mine).values(bytes=_usage.c.bytes + size, files=_usage.c.files + files)
        row: Any = transaction.execute(changed.returning(_usage.c.bytes, _usage.c.files)).one_or_none()
        if row is None:
            try:
                with transaction.savepoint():
                    transaction.session.add(UsageRow(bytes=0, files=0))
            except DuplicateError:
                pass  # somebody else made it just now
            row = transaction.execute(changed.returning(_usage.c.bytes, _usage.c.files)).one()
        for name, limit, used in (
            ("bytes", self._settings.quota_bytes, row.bytes),
            ("files", self._settings.quota_files, row.files),
        ):
            if limit is not None and used > limit and (size > 0 or files > 0):
                raise QuotaError(f"the tenant's space is used up: {limit:,} {name} are allowed", limit=limit)

    def _opened(self, id: UUID, key: str, sealed: str | None, size: int, start: int) -> BinaryIO:
        if sealed is None:
            return self.store.open(key, start)
        tenant = self._platform.current.require_tenant()
        content_key = ContentKey.parse(self._keyring.decrypt(tenant, f"{_WHERE}/{id}", sealed))
        source = self.store.open(key, place_of(start, size))
        return io.BufferedReader(OpenedStream(source, content_key, size, start))

    def _locked(self, transaction: "Transaction", condition: Any) -> ContentRow | None:
        wanted = select(ContentRow).where(condition).with_for_update()
        row: ContentRow | None = transaction.session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
        return row

    def _row(self, transaction: "Transaction", id: UUID, *, deleted: bool = False) -> BlobRow:
        wanted = select(BlobRow).where(BlobRow.id == id).execution_options(**{INCLUDE_DELETED: deleted})
        row = transaction.session.scalars(wanted).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no file {id}")
        return row

    def _after_commit(self, transaction: "Transaction") -> None:
        for event in transaction.events:
            if isinstance(event, ContentDropped):
                self.store.delete(event.key)


class _Measure:
    """Passes chunks on, with their digest and size; raises `TooLargeError` beyond a limit."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        self._chunks, self._most = chunks, most
        self._digest = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._most:
                raise TooLargeError(f"a file takes up to {self._most:,} bytes", field="content")
            self._digest.update(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, (bytes, bytearray, memoryview)):
        yield bytes(content)
    elif hasattr(content, "read"):
        reading: Callable[[int], bytes] = content.read
        while chunk := reading(_CHUNK):
            yield chunk
    else:
        yield from content


def _headed(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all of them again."""
    first: list[bytes] = []
    while sum(map(len, first)) < HEAD and (chunk := next(chunks, b"")):
        first.append(chunk)

    def all_of() -> Iterator[bytes]:
        yield from first
        yield from chunks

    return b"".join(first)[:HEAD], all_of()


def _made(key: str) -> datetime:
    """When a key was made: its last part is a UUIDv7, whose first 48 bits are milliseconds (RFC 9562, 5.7)."""
    try:
        return datetime.fromtimestamp(int(key.rpartition("/")[2][:12], 16) / 1000, UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)  # not ours; left alone


def _batches(keys: Iterable[str], size: int = 500) -> "Iterator[Sequence[str]]":
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _present(row: BlobRow) -> Blob:
    return Blob(row.id, row.name, row.media_type, row.size, row.sha256, row.created_by, row.created_at, row.deleted_at)
