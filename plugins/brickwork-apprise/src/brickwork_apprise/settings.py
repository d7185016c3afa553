"""The settings of the Apprise channel."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class AppriseSettings(ComponentSettings):
    """`[notify.apprise]`."""

    #: Schemes of Apprise's URLs that are taken, such as ["slack", "tgram", "mailtos"]. There is no default: some schemes call any
    #: address inside the network (json, xml, form), run things on this machine or show them on its screen.
    schemes: list[str] = Field(min_length=1)
    #: Seconds to wait for a connection, and for each piece of an answer.
    timeout: float = Field(default=10, gt=0, le=120)
    #: Messages that are sent at a time.
    threads: int = Field(default=4, ge=1, le=64)
