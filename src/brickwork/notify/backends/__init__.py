"""Channels that ship with the core besides those in `brickwork.notify.channels`."""
