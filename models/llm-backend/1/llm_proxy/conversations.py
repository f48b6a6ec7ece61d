"""Conversation history: earlier turns of one caller's conversation, sent along with its next prompt.

A conversation belongs to the pair (caller, conversation id): the id is the client's choice, so it alone
would let one caller read another's. History lives in this process only; the balancer keeps a conversation
on one server.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cachetools import TTLCache

from .metrics import Metrics

Key = tuple[str, str]
Message = dict[str, str]

# What a turn costs beside its text (objects, key, cache's own bookkeeping), so that many tiny turns are
# bounded too.
TURN_OVERHEAD_BYTES = 512


@dataclass(frozen=True)
class Turn:
    """One prompt and its answer."""

    prompt: str
    answer: str
    text_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Measure the text once."""
        object.__setattr__(self, "text_bytes", len(self.prompt.encode()) + len(self.answer.encode()))


class Draft:
    """A conversation as one request sees it: the history, plus the request's own turns, not yet kept."""

    def __init__(self, turns: tuple[Turn, ...], history_bytes: int) -> None:
        """Start from kept turns; hold at most `history_bytes` of text."""
        self.turns = turns
        self._history_bytes = history_bytes

    def messages(self, prompt: str) -> list[Message]:
        """The messages to send for `prompt`: the turns so far, then the prompt."""
        messages: list[Message] = []
        for turn in self.turns:
            messages.append({"role": "user", "content": turn.prompt})
            messages.append({"role": "assistant", "content": turn.answer})
        messages.append({"role": "user", "content": prompt})
        return messages

    def add(self, prompt: str, answer: str) -> None:
        """Append an answered prompt and drop the oldest turns that no longer fit."""
        turns = (*self.turns, Turn(prompt, answer))
        total = sum(turn.text_bytes for turn in turns)
        first = 0
        while total > self._history_bytes:
            total -= turns[first].text_bytes
            first += 1
        self.turns = turns[first:]


class _Lock:
    """A lock and how many hold or await it; dropped with the last of them."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Conversations:
    """The kept conversations: bounded in number, bytes and age. Belongs to one event loop."""

    def __init__(
        self,
        *,
        ttl_seconds: float,
        max_entries: int,
        max_bytes: int,
        history_bytes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep `max_entries` conversations of `max_bytes` in all, each `ttl_seconds` after its last turn."""
        self._cache: TTLCache[Key, tuple[Turn, ...]] = TTLCache(
            maxsize=max_bytes, ttl=ttl_seconds, timer=clock, getsizeof=_size
        )
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._history_bytes = history_bytes
        self._metrics = metrics
        self._locks: dict[Key, _Lock] = {}

    @property
    def entries(self) -> int:
        """Conversations kept."""
        self._cache.expire()
        return len(self._cache)

    @property
    def bytes(self) -> int:
        """Their bytes."""
        self._cache.expire()
        return int(self._cache.currsize)

    @asynccontextmanager
    async def turn(self, key: Key, deadline: float) -> AsyncIterator[Draft]:
        """Take the conversation's turn: one block at a time per conversation, in order of arrival.

        What the block adds to the draft is kept when it ends well, and forgotten when it raises.

        Args:
            key: caller and conversation id.
            deadline: time of the event loop's clock at which waiting for the turn is given up.

        Raises:
            TimeoutError: the deadline passed before the turn came.
        """
        holder = self._locks.setdefault(key, _Lock())
        holder.users += 1
        try:
            async with asyncio.timeout_at(deadline):
                await holder.lock.acquire()
            try:
                kept = self._cache.get(key)
                self._metrics.conversation_lookup(hit=kept is not None)
                draft = Draft(kept or (), self._history_bytes)
                yield draft
                self._keep(key, draft.turns)
            finally:
                holder.lock.release()
        finally:
            holder.users -= 1
            if not holder.users:
                del self._locks[key]

    def _keep(self, key: Key, turns: tuple[Turn, ...]) -> None:
        self._cache.pop(key, None)
        if not turns or _size(turns) > self._max_bytes:
            return  # the last turn alone is larger than the history may be: nothing to remember
        self._cache[key] = turns
        while len(self._cache) > self._max_entries:
            self._cache.popitem()


def _size(turns: tuple[Turn, ...]) -> int:
    return sum(turn.text_bytes + TURN_OVERHEAD_BYTES for turn in turns)
