"""The threads: Triton's own, which must not wait; one for the event loop; one that hands responses over.

Triton calls `execute` from its thread and takes a response from any. So `execute` only reads the tensors
and passes them to the loop, which runs all calls side by side. Handing a response to Triton waits for the
server's process: done in the loop it would hold up every other call, hence the third thread.
"""

import asyncio
import contextlib
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import Code, LlmError
from .metrics import Exporter, Metrics
from .service import Request, Service
from .settings import Settings
from .tensors import Tensors

log = logging.getLogger(__name__)

# How often the server's process is looked for.
PARENT_POLL_SECONDS = 1.0

# Beyond the grace for running calls: to fail them, send what is left and close the pool.
CLOSING_SECONDS = 3.0


class Runner:
    """Serves Triton's requests until stopped."""

    def __init__(self, pb_utils: Any, settings: Settings, model: str) -> None:  # noqa: ANN401
        """Start the threads. `pb_utils` is `triton_python_backend_utils`, `model` the model's name."""
        self._settings = settings
        self._tensors = Tensors(pb_utils, settings)
        self._final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        self._metrics = Metrics(
            settings.price_prompt_usd, settings.price_completion_usd, settings.price_reference_usd
        )
        self._loop = asyncio.new_event_loop()
        self._running: dict[asyncio.Task[None], tuple[Any, float]] = {}
        self._stopping = False
        self._inbox: deque[tuple[Any, Request | LlmError]] = deque()
        self._woken = False
        self._service: Service
        self._background: list[asyncio.Task[None]]
        self._outbox: queue.SimpleQueue[tuple[Any, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, name="llm-sender", daemon=True)
        self._thread = threading.Thread(target=self._run_loop, name="llm-loop", daemon=True)
        self._sender.start()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        self._exporter = Exporter(self._metrics, pb_utils.MetricFamily, model, self._refresh)

    def submit(self, requests: list[Any]) -> None:
        """Take Triton's requests; each is answered from another thread."""
        for request in requests:
            self._inbox.append((request.get_response_sender(), self._read(request)))
        if not self._woken:
            # Waking the loop costs a system call and a switch of threads: once is enough until it has looked.
            self._woken = True
            self._loop.call_soon_threadsafe(self._begin)

    def stop(self) -> None:
        """Finish: wait for running calls as long as the grace allows, fail the rest, end the threads."""
        limit = self._settings.shutdown_grace_seconds + CLOSING_SECONDS
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=limit)
        except Exception:
            # Daemon threads: whatever hangs ends with the process.
            log.exception("could not stop in %g s", limit)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._outbox.put(None)
        self._thread.join(CLOSING_SECONDS)
        self._sender.join(CLOSING_SECONDS)
        self._exporter.stop()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _open(self) -> None:
        self._service = Service(self._settings, self._metrics)
        self._background = [
            self._loop.create_task(self._watch_clients()),
            self._loop.create_task(_watch_parent(os.getppid())),
        ]

    async def _close(self) -> None:
        self._stopping = True
        for task in self._background:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=self._settings.shutdown_grace_seconds)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        await self._service.close()

    def _read(self, request: Any) -> Request | LlmError:  # noqa: ANN401
        try:
            return self._tensors.read(request)
        except LlmError as error:
            return error
        except Exception:
            log.exception("cannot read a request")
            return LlmError(Code.INTERNAL, "the request could not be read; see the server's log")

    def _begin(self) -> None:
        self._woken = False  # before looking: what arrives from here on wakes the loop again
        while self._inbox:
            sender, request = self._inbox.popleft()
            if isinstance(request, LlmError):
                self._fail(sender, request)
                continue
            if self._stopping:
                self._fail(sender, LlmError(Code.SHUTTING_DOWN, "the server is stopping"))
                continue
            task = self._loop.create_task(self._serve(sender, request))
            self._running[task] = (sender, time.monotonic())
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]

    async def _serve(self, sender: Any, request: Request) -> None:  # noqa: ANN401
        started = time.monotonic()
        try:
            answers = await self._service.answer(request)
        except LlmError as error:
            self._fail(sender, error)
        except asyncio.CancelledError:
            if self._stopping:
                self._fail(sender, LlmError(Code.SHUTTING_DOWN, "the server is stopping"))
            else:
                self._fail(sender, LlmError(Code.CANCELLED, "the client went away"))
        except Exception:
            log.exception("a request failed unexpectedly")
            self._fail(sender, LlmError(Code.INTERNAL, "unexpected failure; see the server's log"))
        else:
            self._metrics.answered(time.monotonic() - started)
            self._outbox.put((sender, lambda: self._tensors.response(answers)))

    def _fail(self, sender: Any, error: LlmError) -> None:  # noqa: ANN401
        self._metrics.failed(error.code)
        self._outbox.put((sender, lambda: self._tensors.failure(error)))

    def _send(self) -> None:
        while (item := self._outbox.get()) is not None:
            sender, build = item
            try:
                sender.send(build(), flags=self._final)
            except Exception:
                log.exception("cannot hand a response over")
            del item, sender, build  # not kept until the next response: they hold shared memory

    def _refresh(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: stopping
            self._loop.call_soon_threadsafe(self._metrics.read_gauges)

    async def _watch_clients(self) -> None:
        """Cancel the calls of clients that went away.

        Asking Triton is a round trip per request, so only calls that have run for a while are asked about,
        and in another thread.
        """
        period = self._settings.cancel_poll_seconds
        while True:
            await asyncio.sleep(period)
            before = time.monotonic() - period
            old = [(task, sender) for task, (sender, began) in self._running.items() if began <= before]
            if old:
                for task in await asyncio.to_thread(_cancelled, old):
                    task.cancel()


async def _watch_parent(parent: int) -> None:
    """End this process when the server's has ended without a word.

    Triton's stub notices as well, but then waits for its own threads, and these for ever for the server to
    take a response or a metric, or to say whether a client went away.
    """
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def _cancelled(calls: list[tuple[asyncio.Task[None], Any]]) -> list[asyncio.Task[None]]:
    return [task for task, sender in calls if sender.is_cancelled()]
