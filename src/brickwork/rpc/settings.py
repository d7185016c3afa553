"""The settings of the rpc component."""

from pathlib import Path

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class RpcSettings(ComponentSettings):
    """The `[rpc]` section."""

    #: Address to listen on. Without TLS it must be one of the loopback.
    host: str = "127.0.0.1"
    port: int = Field(8050, ge=0, le=65535)
    #: PEM files of the server's certificate chain and key: calls are encrypted.
    certificate: Path | None = None
    key: Path | None = None
    #: PEM file of the authority whose certificates callers must show (mutual TLS), besides their token.
    client_authority: Path | None = None
    #: Threads that run calls; a stream keeps one until its end.
    threads: int = Field(8, ge=1, le=256)
    #: Calls that may wait for a thread before new ones are refused with RESOURCE_EXHAUSTED.
    backlog: int = Field(256, ge=1)
    #: Most seconds that a call may take, whatever deadline it brings.
    longest: float = Field(60.0, gt=0)
    #: Largest message, in bytes.
    max_message_bytes: int = Field(4_000_000, ge=1024)
    #: Whether callers may ask for the schema (gRPC server reflection).
    reflection: bool = True
