"""Email over SMTP, and the reports that come back."""

from brickwork.notify.channels.email.channel import EmailChannel
from brickwork.notify.channels.email.reports import Report, parse_report
from brickwork.notify.channels.email.settings import DkimSettings, EmailSettings

__all__ = ["DkimSettings", "EmailChannel", "EmailSettings", "Report", "parse_report"]
