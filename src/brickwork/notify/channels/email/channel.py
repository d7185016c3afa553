"""Email over SMTP."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

from brickwork.kernel.clock import Clock, SystemClock
from brickwork.kernel.component import Health
from brickwork.notify.channels.email.address import check_email
from brickwork.notify.channels.email.compose import compose
from brickwork.notify.channels.email.connection import Letter
from brickwork.notify.channels.email.dkim import Signer
from brickwork.notify.channels.email.pool import Pool
from brickwork.notify.channels.email.settings import EmailSettings
from brickwork.notify.channels.errors import ProviderUnavailable, SendError, TemporaryFailure
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, untold

#: Messages for which another connection is worth its while.
_SHARE = 8
#: Connections in a row that break without having carried a message, after which the server is left alone.
_SETBACKS = 3


class EmailChannel:
    """Hands messages to one mail server. `brickwork.notify.channels.email.parse_report` reads what comes back later.

    What SMTP allows of exactly-once: the server has a message from the moment it answers 250 to its end, and we know that from
    the moment the answer is read. Between the two lies a network and this process; if either fails there, nobody can tell
    whether the server has it (RFC 1047). The failure is then `uncertain`, and a second attempt may deliver twice, with the same
    Message-ID, by which many mailboxes show such a pair as one. Before that moment nothing is taken, so a connection that breaks
    earlier costs nothing, and after it nothing is lost.
    """

    kind = "email"

    def __init__(self, settings: EmailSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._signers = [Signer(key.domain, key.selector, key.private_key.get_secret_value()) for key in settings.dkim]
        self._pool = Pool(settings)

    def check(self, address: str) -> str:
        return check_email(address)

    def send(self, message: Outgoing) -> Receipt:
        (outcome,) = self._deliver([message], untold)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> list[Receipt | Exception]:
        size = max(_SHARE, -(-len(messages) // self._settings.connections))
        shares = [messages[at : at + size] for at in range(0, len(messages), size)]
        if len(shares) < 2:
            return self._deliver(messages, taken)
        with ThreadPoolExecutor(len(shares), thread_name_prefix="notify-email") as threads:
            return list(chain.from_iterable(threads.map(lambda share: self._deliver(share, taken), shares)))

    def health(self) -> Health:
        try:
            with self._pool.connection() as connection:
                alive = connection.lives()
        except SendError as error:
            return Health(False, error.message)
        return Health(alive, f"smtp {self._settings.host}")

    def close(self) -> None:
        self._pool.close()

    def _deliver(self, messages: Sequence[Outgoing], taken: Taken) -> list[Receipt | Exception]:
        """The outcome for each message, over one connection after another."""
        composed = [self._compose(message) for message in messages]
        letters = [letter for letter in composed if isinstance(letter, Letter)]
        sendable = [message for message, letter in zip(messages, composed, strict=True) if isinstance(letter, Letter)]
        outcomes = iter(self._hand_over(letters, lambda number, receipt: taken(sendable[number], receipt)))
        return [next(outcomes) if isinstance(letter, Letter) else letter for letter in composed]

    def _compose(self, message: Outgoing) -> Letter | Exception:
        try:
            letter = compose(message, self._settings, self._signers, self._clock.now())
        except Exception as error:
            return error
        return letter

    def _hand_over(self, letters: Sequence[Letter], taken: Callable[[int, Receipt], None]) -> Iterable[Receipt | Exception]:
        outcomes: list[Receipt | SendError] = []
        setbacks = 0
        while len(outcomes) < len(letters):
            try:
                with self._pool.connection() as connection:
                    before, begun = connection.messages, len(outcomes)
                    some = letters[begun : begun + connection.room]
                    done = connection.deliver(some, partial(_counted, taken, begun))
            except TemporaryFailure as error:
                return [*outcomes, *(_again(error) for _ in letters[len(outcomes) :])]
            outcomes += done
            if connection.broken is None:
                continue
            if not done and before == 0:  # a new connection, so it isn't one that the server had given up
                outcomes.append(_again(connection.broken))
            if done or before == 0:
                setbacks = 0 if any(isinstance(outcome, Receipt) for outcome in done) else setbacks + 1
            if setbacks == _SETBACKS:
                return [*outcomes, *(_again(connection.broken) for _ in letters[len(outcomes) :])]
        return outcomes


def _counted(taken: Callable[[int, Receipt], None], begun: int, number: int, receipt: Receipt) -> None:
    """Tell of the letter that is the `number`th after those that were begun before."""
    taken(begun + number, receipt)


def _again(error: SendError) -> TemporaryFailure:
    """The same failure for a message that was not begun."""
    return ProviderUnavailable(error.message, provider_code=error.provider_code)
