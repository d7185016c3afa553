"""The settings of the database and of the keyring."""

from pydantic import SecretStr

from brickwork.kernel.component import ComponentSettings


class DatabaseSettings(ComponentSettings):
    """The `[database]` section."""

    #: SQLAlchemy URL of the application's role; None is `brickwork.db` in the platform's data folder.
    url: str | None = None
    #: PostgreSQL: URL of the role that owns the tables, for migrations only. None uses `url`.
    owner_url: str | None = None
    #: Connections a process keeps.
    pool_size: int = 8
    #: Seconds to wait for a lock before `DatabaseBusyError`.
    busy_timeout: float = 5.0
    #: SQLite: "normal" survives a crash of the process, "full" also one of the machine, for one fsync a commit.
    synchronous: str = "normal"


class KeyringSettings(ComponentSettings):
    """The `[keyring]` section. `brickwork keys generate` prints a new key."""

    #: Master keys by id, each 32 bytes in base64. Old ones stay until `brickwork entities rekey` has run.
    keys: dict[str, SecretStr] = {}
    #: Id of the key that encrypts; None is the last of `keys`.
    active: str | None = None
