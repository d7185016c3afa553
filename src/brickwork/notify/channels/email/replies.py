"""What a mail server's refusal means: its enhanced status code decides (RFC 3463), else its reply (RFC 5321)."""

import re

from brickwork.notify.channels.errors import PermanentFailure, SendError, TemporaryFailure, Throttled

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
#: Subjects and details that say, with class 5, that there is no such mailbox: bad mailbox, bad system, bad syntax, moved, null MX
#: (RFC 3463, section 3.2; RFC 7505); disabled (section 3.3).
_NO_MAILBOX = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
#: Those that say, with class 4, that there is too much mail: congestion, and Gmail's rate.
_TOO_MUCH = frozenset({"4.5", "7.28"})
_CONTROLS = re.compile(r"[^ -~\u00a0-\ufffd]+")


def refused(code: int, text: bytes | str, what: str) -> SendError:
    """The failure that a reply stands for; `what` tells what it was refused to."""
    told = _CONTROLS.sub(" ", text.decode("utf-8", "replace") if isinstance(text, bytes) else text).strip()
    found = _ENHANCED.match(told)
    enhanced = found.group(0).strip() if found else ""
    provider_code = f"{code} {enhanced}".strip()
    message = f"the mail server refused {what}: {code} {told[:300]}".rstrip()
    permanent = found[1] == "5" if found and found[1] != "2" else code >= 500
    detail = f"{found[2]}.{found[3]}" if found else ""
    if permanent:
        return PermanentFailure(message, suppress=detail in _NO_MAILBOX, provider_code=provider_code)
    if detail in _TOO_MUCH:
        return Throttled(message, provider_code=provider_code)
    return TemporaryFailure(message, provider_code=provider_code)


def for_now(error: SendError) -> TemporaryFailure:
    """The same as a failure that is nobody's message's: of a greeting, a sign-in, a server that is set up wrongly."""
    return TemporaryFailure(error.message, provider_code=error.provider_code)
