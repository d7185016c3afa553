"""RabbitMQ for brickwork."""

from collections.abc import Sequence

from brickwork import Backend, hookimpl
from brickwork_rabbitmq.settings import RabbitmqMessagingSettings


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="messaging",
            name="rabbitmq",
            factory="brickwork_rabbitmq.messaging:RabbitmqMessageBroker",
            summary="Quorum queues, publisher confirms, dead-letter exchange",
            settings=RabbitmqMessagingSettings,
        )
    ]
