"""Feature flags: decided in memory, changed at run time, the same for the same key everywhere."""

from brickwork.flags.flag import Flag, Rollout, Rule
from brickwork.flags.service import Evaluation, FlagChanged, Flags, Override

__all__ = ["Evaluation", "Flag", "FlagChanged", "Flags", "Override", "Rollout", "Rule"]
