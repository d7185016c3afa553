"""Work that is done later, in a worker: deferred, delayed or on a schedule."""

from brickwork.jobs.events import JobProgressed
from brickwork.jobs.job import JobCancelledError, Run, RunState, job
from brickwork.jobs.schedules import Schedule
from brickwork.jobs.service import Jobs
from brickwork.jobs.triggers import Calendar, Trigger

__all__ = ["Calendar", "JobCancelledError", "JobProgressed", "Jobs", "Run", "RunState", "Schedule", "Trigger", "job"]
