"""The `[flags]` section."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class FlagsSettings(ComponentSettings):
    #: Seconds between looks for changes that another process made and that no signal told.
    refresh: float = Field(default=5.0, gt=0)
