"""The settings of the RabbitMQ broker."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class RabbitmqMessagingSettings(ComponentSettings):
    """`[messaging.rabbitmq]`."""

    url: str = "amqp://guest:guest@127.0.0.1:5672/%2f"
    #: Begins the names of queues and exchanges.
    prefix: str = Field(default="brickwork", pattern=r"^[a-z0-9_.-]+$")
    #: Most events in one message. 1 where handlers take seconds, so that those of one burst are spread over all workers.
    bundle: int = Field(default=16, ge=1, le=25)
    #: Messages that a worker process has fetched and not yet handled.
    prefetch: int = Field(default=20, ge=1, le=65_535)
    #: Deliveries after which the server moves a message to the dead-letter queue.
    delivery_limit: int = Field(default=10, ge=1)
    #: The management plugin with a user who may set policies, as http://guest:guest@127.0.0.1:15672. With it, dead-letter
    #: exchange and delivery limit are a policy, which can be changed while queues exist; without it, arguments of new queues.
    management_url: str | None = Field(default=None, pattern=r"^https?://")
    #: Seconds to wait for the server's confirmation.
    confirm_timeout: float = Field(default=10.0, gt=0)
