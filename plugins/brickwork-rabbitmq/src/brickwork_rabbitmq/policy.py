"""The queues' policy, set through the HTTP API of RabbitMQ's management plugin (https://www.rabbitmq.com/docs/parameters)."""

import base64
import json
import re
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from brickwork.errors import UnavailableError

#: Seconds to wait for an answer.
TIMEOUT = 10.0
#: Of several policies that fit a queue, RabbitMQ applies the one with the highest priority, and only that. An operator's own
#: with a higher one wins.
PRIORITY = 10


class Policies:
    """The management plugin at `url` (with user and password), for one virtual host."""

    def __init__(self, url: str, vhost: str) -> None:
        parts = urlsplit(url)
        self._base = (
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/api/policies/{quote(vhost, safe='')}"
        )
        user = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(user.encode()).decode()}",
            "Content-Type": "application/json",
        }

    def put(self, prefix: str, definition: dict[str, Any]) -> str:
        """Set the policy of the queues of `prefix` but the dead-letter queue, and return its name. Can be repeated; raises
        `UnavailableError`."""
        policy = {
            "pattern": rf"^{re.escape(prefix)}\.(?!dead$)",
            "definition": definition,
            "priority": PRIORITY,
            "apply-to": "queues",
        }
        request = Request(f"{self._base}/{quote(prefix, safe='')}", json.dumps(policy).encode(), self._headers, method="PUT")
        try:
            with urlopen(request, timeout=TIMEOUT):
                return prefix
        except HTTPError as error:
            raise UnavailableError(
                f"RabbitMQ's management plugin refused the policy {prefix}: {error.code} {error.reason}; the user of "
                "messaging.rabbitmq.management_url needs the tag policymaker and access to the virtual host"
            ) from None
        except (OSError, HTTPException) as error:
            raise UnavailableError(
                f"RabbitMQ's management plugin can't be reached: {type(error).__name__}; is it enabled "
                "(`rabbitmq-plugins enable rabbitmq_management`), and messaging.rabbitmq.management_url right?"
            ) from None
