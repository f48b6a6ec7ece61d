"""Bounds on work: how much is admitted, and how much of it is upstream at one time."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from .errors import Code, LlmError


class Admission:
    """Counts rows from their arrival to their answer, and refuses at once what would exceed a bound."""

    def __init__(self, limit: int, limit_per_caller: int) -> None:
        """Admit `limit` rows in all and `limit_per_caller` of one caller."""
        self._limit = limit
        self._limit_per_caller = limit_per_caller
        self._pending: Counter[str] = Counter()
        self.total = 0

    @contextmanager
    def admit(self, caller: str, rows: int) -> Iterator[None]:
        """Hold `rows` places for `caller` in this block.

        Raises:
            LlmError: LLM_OVERLOADED when there is no room.
        """
        if self.total + rows > self._limit:
            raise LlmError(
                Code.OVERLOADED, f"{self.total} rows are pending of at most {self._limit}; try again later"
            )
        if self._pending[caller] + rows > self._limit_per_caller:
            raise LlmError(
                Code.OVERLOADED,
                f"this caller has {self._pending[caller]} rows pending of at most {self._limit_per_caller};"
                " try again later",
            )
        self.total += rows
        self._pending[caller] += rows
        try:
            yield
        finally:
            self.total -= rows
            self._pending[caller] -= rows
            if not self._pending[caller]:
                del self._pending[caller]


class Slots:
    """A semaphore fair between callers: slots go round them, first come first served within one."""

    def __init__(self, size: int) -> None:
        """Offer `size` slots."""
        self._size = size
        self._free = size
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._size - self._free

    @property
    def waiting(self) -> int:
        """Callers' calls in the queues."""
        return sum(map(len, self._queues.values()))

    @asynccontextmanager
    async def hold(self, caller: str, deadline: float) -> AsyncIterator[None]:
        """Hold one slot in this block.

        Args:
            caller: whose queue to wait in.
            deadline: time of the event loop's clock at which waiting is given up.

        Raises:
            TimeoutError: the deadline passed before a slot was free.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(caller, deadline)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, caller: str, deadline: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._release()  # the slot arrived in the same turn of the loop as the cancellation
            elif turn in (queue := self._queues.get(caller, deque())):  # else a release has passed it over
                queue.remove(turn)
                if not queue:
                    del self._queues[caller]
            raise

    def _release(self) -> None:
        while self._queues:
            caller, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[caller] = queue  # behind the other callers
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
