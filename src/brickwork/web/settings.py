"""The settings of the web component."""

from pydantic import Field, SecretStr

from brickwork.kernel.component import ComponentSettings


class WebSettings(ComponentSettings):
    """The `[web]` section."""

    #: Address to listen on.
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    #: Processes that serve.
    workers: int = Field(1, ge=1, le=64)
    #: Threads of a process that run endpoints.
    threads: int = Field(4, ge=1, le=64)
    #: Requests of a process that may wait for a thread before new ones are answered 503.
    backlog: int = Field(512, ge=1)
    #: Largest request body, in bytes.
    max_body_bytes: int = Field(2_000_000, ge=1)
    #: Hours for which an Idempotency-Key is remembered.
    idempotency_hours: int = Field(24, ge=1)
    #: Bearer token for `/metrics` and the details of `/readyz`; None lets only this machine itself ask.
    metrics_token: SecretStr | None = Field(None, min_length=16)
    #: Seconds between two rounds of sealing the audit trail.
    seal_interval: float = Field(1.0, gt=0)
