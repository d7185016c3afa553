"""Locks and semaphores that hold between processes."""

from brickwork.locks.service import Held, LockLostError, Locks, LockTimeoutError

__all__ = ["Held", "LockLostError", "LockTimeoutError", "Locks"]
