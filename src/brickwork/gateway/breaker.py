"""Circuit breakers: an upstream that fails is left alone for a while, then tried by a few probes.

Each process counts calls by itself, in a sliding window, and decides in memory; what the processes share is the state, which
changes rarely. A process that opens a circuit refuses at once and tells the others through the store; they hear of it within
`refresh` seconds. Probes are given out by the store, so that all processes together let just as many through as the rule says.
While the store is away each process goes by what it sees itself.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from time import monotonic, time

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge

from brickwork.errors import UnavailableError
from brickwork.gateway.circuit import CLOSED, BreakerRule, Circuit, State
from brickwork.gateway.port import BreakerStore
from brickwork.gateway.window import Window
from brickwork.kernel.component import Health

log = logging.getLogger("brickwork.gateway")
#: A step of `Circuit`, given what is stored and the time.
Step = Callable[[Circuit, float], Circuit | None]
#: Seconds after which a circuit that could be probed, and is not, belongs to an upstream that is gone.
_ABANDONED = 86_400.0
#: Others may be faster, but each time that is progress of the circuit, of which there is little to make.
_TRIES = 100
_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
_turns = count(1)


@attrs.define(eq=False)
class _Known:
    """What this process knows of one circuit."""

    rule: BreakerRule
    window: Window
    circuit: Circuit = CLOSED
    #: Names the period in this process: what was admitted in another doesn't count.
    turn: int = attrs.field(factory=lambda: next(_turns))
    #: When the store may be asked for a probe (monotonic).
    ask_at: float = 0.0
    #: When `circuit` was learnt (monotonic).
    learnt: float = 0.0
    #: Whether it was opened here and the store was not told yet.
    untold: bool = False


class CircuitBreaker:
    """The circuits of one process, by key. `refresh` is in seconds."""

    def __init__(self, store: BreakerStore, *, metrics: CollectorRegistry, refresh: float = 1.0) -> None:
        self.store = store
        self._refresh = refresh
        self._alone = _Memory()
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        levels = "0 closed, 1 half-open, 2 open"
        self._level = Gauge("brickwork_gateway_circuit", levels, ("upstream",), registry=metrics, multiprocess_mode="mostrecent")
        self._refused = Counter(
            "brickwork_gateway_circuit_refused", "Calls that a circuit refused", ("upstream",), registry=metrics
        )

    def declare(self, key: str, rule: BreakerRule) -> None:
        """Hold `key` to `rule` from now on; a key that was not declared is held to `BreakerRule()`."""
        known = self._met(key)
        with self._lock:
            if known.rule != rule:
                known.rule, known.window = rule, Window(rule.window)

    def admit(self, key: str) -> int:
        """0 where the call is refused; otherwise a turn, to be given to `succeeded` or `failed` when the call ends.

        It answers from memory, except where `asks` says so.
        """
        known = self._known.get(key) or self._met(key)
        turn = known.turn  # before the state: one that is over by then doesn't count
        if known.circuit.state is State.CLOSED:
            return turn
        turn = self._probe(key, known) if monotonic() >= known.ask_at else 0
        if not turn:
            self._refused.labels(key).inc()
        return turn

    def asks(self, key: str) -> bool:
        """Whether `admit` would ask the store for a probe now, so that an event loop gives it to a thread."""
        known = self._known.get(key)
        return known is not None and known.circuit.state is not State.CLOSED and monotonic() >= known.ask_at

    def succeeded(self, key: str, turn: int) -> None:
        """The call that got `turn` ended well."""
        self._ended(key, turn, well=True)

    def failed(self, key: str, turn: int) -> None:
        """The call that got `turn` failed: no connection, no answer in time, or one that says the upstream is broken."""
        self._ended(key, turn, well=False)

    def broke_off(self, key: str, turn: int) -> None:
        """The call that got `turn`, and was said to have succeeded, failed after all: the answer ended in its middle."""
        self._ended(key, turn, well=False, counted=True)

    def gave_up(self, key: str, turn: int) -> None:
        """The call that got `turn` was given up for a reason that is not the upstream's, such as that its caller has left.
        Another may take its turn at once."""
        with self._lock:
            known = self._known.get(key)
            if known is None or known.turn != turn or known.circuit.state is not State.HALF_OPEN:
                return
            period = known.circuit.period
            self._work.put(lambda: self._follow(key, known, lambda seen, now: seen.returned(period)))

    def forget(self, key: str) -> None:
        """Nothing is called by this key any more."""
        with self._lock:
            if self._known.pop(key, None) is not None:
                with suppress(KeyError):
                    self._level.remove(key)
                with suppress(KeyError):
                    self._refused.remove(key)

    def state(self, key: str) -> State:
        """As this process knows it."""
        known = self._known.get(key)
        return State.CLOSED if known is None else known.circuit.state

    def refresh(self) -> None:
        """Learn what other processes have changed, and let go of circuits that nobody has tried for a day; raises
        `UnavailableError`."""
        began = monotonic()
        troubled, now = self.store.troubled()
        for key, circuit in troubled.items():
            if now - circuit.until > _ABANDONED:
                self.store.swap(key, circuit, CLOSED)
        with self._lock:
            for key, known in self._known.items():
                if known.learnt < began and not known.untold:
                    self._learn(key, known, troubled.get(key, CLOSED), now)
        self._alone.circuits.clear()

    def health(self) -> Health:
        return self.store.health()

    def close(self) -> None:
        """Tell the store what is still to be told, and let go of it."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
        self.store.close()

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _met(self, key: str) -> _Known:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gateway-circuits", daemon=True)
                self._thread.start()
            rule = BreakerRule()
            return self._known.setdefault(key, _Known(rule, Window(rule.window)))

    def _probe(self, key: str, known: _Known) -> int:
        known.ask_at = monotonic() + self._refresh  # whoever comes meanwhile does not ask too
        circuit, now, moved = self._move(key, known, lambda seen, now: seen.probed(now, known.rule))
        with self._lock:
            self._learn(key, known, circuit, now)
            known.ask_at = 0.0 if moved else max(known.ask_at, monotonic() + self._refresh)
            return known.turn if moved or circuit.state is State.CLOSED else 0

    def _ended(self, key: str, turn: int, *, well: bool, counted: bool = False) -> None:
        with self._lock:
            known = self._known.get(key)
            if known is None or known.turn != turn:
                return
            circuit, rule = known.circuit, known.rule
            if circuit.state is State.HALF_OPEN:
                self._work.put(
                    lambda: self._follow(key, known, lambda seen, now: seen.settled(now, rule, circuit.period, well=well))
                )
                return
            if circuit.state is State.OPEN:
                return
            window = known.window
            window.add(monotonic(), failed=not well, counted=counted)
            if well or window.failed < rule.failures or window.failed < rule.failure_ratio * window.total:
                return
            now = time()
            opened = circuit.tripped(now, rule)
            assert opened is not None  # the turn is one of a closed circuit
            self._learn(key, known, opened, now)
            known.untold = True
            self._work.put(lambda: self._tell(key, known))

    def _tell(self, key: str, known: _Known) -> None:
        circuit, now, _ = self._move(key, known, lambda seen, now: seen.tripped(now, known.rule))
        with self._lock:
            known.untold = False
            self._learn(key, known, circuit, now)

    def _follow(self, key: str, known: _Known, step: Step) -> None:
        circuit, now, _ = self._move(key, known, step)
        with self._lock:
            self._learn(key, known, circuit, now)
            if circuit.state is State.HALF_OPEN and circuit.given < known.rule.probes:  # another may pass at once
                known.ask_at = 0.0

    def _move(self, key: str, known: _Known, step: Step) -> tuple[Circuit, float, bool]:
        """Take a step that others may take at the same time: the circuit that is stored then, the time, whether it moved."""
        try:
            return _moved(self.store, key, step)
        except UnavailableError as error:
            log.warning("circuit %s: this process decides alone: %s", key, error.message)
            self._alone.circuits.setdefault(key, known.circuit)
            return _moved(self._alone, key, step)

    def _learn(self, key: str, known: _Known, circuit: Circuit, now: float) -> None:
        """Called under the lock. A new period begins a new turn and an empty window."""
        before, known.circuit, known.learnt = known.circuit, circuit, monotonic()
        if (before.state, before.period) == (circuit.state, circuit.period):
            return
        known.turn = next(_turns)
        known.window = Window(known.rule.window)
        known.ask_at = known.learnt + (circuit.until - now) if circuit.state is State.OPEN else 0.0
        self._level.labels(key).set(_LEVELS[circuit.state])
        log.warning("circuit %s is %s", key, circuit.state)

    def _run(self) -> None:
        """Tells the store what happened here and looks at what happened elsewhere."""
        looked = 0.0
        while True:
            try:
                work = self._work.get(timeout=max(0.0, looked + self._refresh - monotonic()))
                if work is None:
                    return
                work()
            except Empty:
                self._look()
                looked = monotonic()
            except Exception:
                log.exception("a circuit could not be told")

    def _look(self) -> None:
        try:
            self.refresh()
        except UnavailableError as error:
            log.warning("circuits stay as this process knows them: %s", error.message)


def _moved(store: "BreakerStore | _Memory", key: str, step: Step) -> tuple[Circuit, float, bool]:
    for _ in range(_TRIES):
        seen, now = store.read(key)
        new = step(seen, now)
        if new is None:
            return seen, now, False
        if store.swap(key, seen, new):
            return new, now, True
    raise UnavailableError(f"circuit {key} could not be changed in {_TRIES} tries")


class _Memory:
    """What stands for the store while that is away."""

    def __init__(self) -> None:
        self.circuits: dict[str, Circuit] = {}
        self._lock = threading.Lock()

    def read(self, key: str) -> tuple[Circuit, float]:
        return self.circuits.get(key, CLOSED), time()

    def swap(self, key: str, seen: Circuit, new: Circuit) -> bool:
        with self._lock:
            if self.circuits.get(key, CLOSED) != seen:
                return False
            self.circuits[key] = new
            return True
