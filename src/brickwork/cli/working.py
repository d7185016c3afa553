"""`brickwork worker`: processes that handle events, restarted when they die."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from brickwork.cli.serving import fresh_folder
from brickwork.cli.state import State, platform_of

out = Console(stderr=True)
#: Seconds between a worker's death and its successor.
RESTART = 1.0


def worker(
    context: typer.Context,
    queue: Annotated[list[str] | None, typer.Option("--queue", "-q", help="Only these queues")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads in each; messaging.threads by default")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve Prometheus metrics on this port of the loopback")] = None,
    patience: Annotated[float, typer.Option(help="Seconds that running handlers get to end at a stop")] = 30.0,
) -> None:
    """Handle events until SIGTERM or SIGINT: then take nothing more, let running handlers end, and leave."""
    platform = platform_of(context)
    if "jobs" in platform.components:
        platform.get("jobs")  # it has handlers too
    queues = platform.messaging.worker(queue, threads=threads).queues
    if not queues:
        out.print("no handlers are installed; see `brickwork plugins` and platform.modules")
        raise typer.Exit(1)
    platform.database.start()
    for line in platform.messaging.broker.setup(queues):
        out.print(line, highlight=False)
    out.print(f"handling {', '.join(queues)} in {processes} process(es)", highlight=False)
    settings = context.obj.settings if isinstance(context.obj, State) else None
    if metrics_port is not None:
        _serve_metrics(platform.settings.platform.data_dir / f"metrics-{metrics_port}", metrics_port)
    platform.close()
    _supervise(processes, (settings, queue, threads, patience))


def _serve_metrics(folder: Path, port: int) -> None:
    """The sums over all worker processes; they write where the variable says."""
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(fresh_folder(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    start_http_server(port, "127.0.0.1", registry)


def _supervise(count: int, arguments: tuple[Any, ...]) -> None:
    spawn = multiprocessing.get_context("spawn")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    def begin() -> Any:
        process = spawn.Process(target=_work, args=arguments)
        process.start()
        return process

    running = [begin() for _ in range(count)]
    while not stopping.wait(0.2):
        for n, process in enumerate(running):
            if not process.is_alive():
                out.print(f"[yellow]worker {process.pid} ended with {process.exitcode}; another one begins[/yellow]")
                stopping.wait(RESTART)
                if not stopping.is_set():
                    running[n] = begin()
    for process in running:
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGTERM)
    for process in running:
        process.join()


def _work(settings: Path | None, queues: list[str] | None, threads: int | None, patience: float) -> None:
    from brickwork.kernel.platform import Platform
    from brickwork.messaging.worker import end_process

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the supervisor passes on its own
    parent = os.getppid()
    with Platform.from_settings(settings) as platform:
        platform.configure_logging()
        if "jobs" in platform.components:
            platform.get("jobs")
        worker = platform.messaging.worker(queues, threads=threads)
        worker.on_hang = end_process
        worker.start()
        if "jobs" in platform.components:
            platform.jobs.scheduler.start()
        while not stopping.wait(0.5):
            if os.getppid() != parent:  # nobody is left to restart or stop it
                break
        began = time.monotonic()
        worker.stop(patience)
        if time.monotonic() - began >= patience:
            sys.exit(1)
