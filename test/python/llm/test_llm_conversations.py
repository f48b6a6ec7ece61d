from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_proxy.conversations import TURN_OVERHEAD_BYTES, Conversations
from llm_proxy.metrics import Metrics
from llm_support import Clock

NEVER = float("inf")


def make(clock: Clock, **changes: Any) -> Conversations:  # noqa: ANN401
    values = {"ttl_seconds": 60, "max_entries": 10, "max_bytes": 100_000, "history_bytes": 1000}
    return Conversations(**(values | changes), metrics=Metrics(1, 1, 1), clock=clock)


async def say(kept: Conversations, caller: str, name: str, prompt: str, answer: str = "ok") -> list[str]:
    """One turn; the texts sent upstream for it."""
    async with kept.turn((caller, name), NEVER) as draft:
        sent = [message["content"] for message in draft.messages(prompt)]
        draft.add(prompt, answer)
        return sent


async def test_remembers_turns_in_order(clock: Clock) -> None:
    kept = make(clock)
    assert await say(kept, "a", "1", "one", "eins") == ["one"]
    assert await say(kept, "a", "1", "two", "zwei") == ["one", "eins", "two"]
    async with kept.turn(("a", "1"), NEVER) as draft:
        roles = [message["role"] for message in draft.messages("three")]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


async def test_callers_and_conversations_are_apart(clock: Clock) -> None:
    kept = make(clock)
    await say(kept, "a", "1", "secret")
    assert await say(kept, "b", "1", "hello") == ["hello"]
    assert await say(kept, "a", "2", "hello") == ["hello"]
    # No concatenation of caller and id may collide with another pair.
    assert await say(kept, "a1", "", "hello") == ["hello"]


async def test_failed_turn_leaves_history_unchanged(clock: Clock) -> None:
    kept = make(clock)
    await say(kept, "a", "1", "one")
    with pytest.raises(RuntimeError):
        async with kept.turn(("a", "1"), NEVER) as draft:
            draft.add("two", "half done")
            raise RuntimeError
    assert await say(kept, "a", "1", "three") == ["one", "ok", "three"]


async def test_turns_of_one_conversation_wait_for_each_other(clock: Clock) -> None:
    kept = make(clock)
    gate = asyncio.Event()

    async def slow() -> None:
        async with kept.turn(("a", "1"), NEVER) as draft:
            await gate.wait()
            draft.add("slow", "done")

    first = asyncio.create_task(slow())
    await asyncio.sleep(0)
    second = asyncio.create_task(say(kept, "a", "1", "next"))
    assert await say(kept, "a", "2", "other conversation") == ["other conversation"]
    assert not second.done()
    gate.set()
    assert await second == ["slow", "done", "next"]
    await first
    assert kept._locks == {}


async def test_waiting_for_a_turn_ends_with_the_deadline(clock: Clock) -> None:
    kept = make(clock)
    async with kept.turn(("a", "1"), NEVER):
        with pytest.raises(TimeoutError):
            async with kept.turn(("a", "1"), 0):
                pytest.fail("two turns at once")
    assert kept._locks == {}


async def test_history_sent_is_bounded_by_dropping_the_oldest_turns(clock: Clock) -> None:
    kept = make(clock, history_bytes=20)
    await say(kept, "a", "1", "12345678", "ok")
    await say(kept, "a", "1", "äöü", "ok")  # 6 bytes and 2
    assert await say(kept, "a", "1", "abcd", "ok") == ["12345678", "ok", "äöü", "ok", "abcd"]
    assert await say(kept, "a", "1", "x") == ["äöü", "ok", "abcd", "ok", "x"]
    await say(kept, "a", "1", "far too long for any history", "ok")
    assert await say(kept, "a", "1", "y") == ["y"]


async def test_expires_after_the_last_turn(clock: Clock) -> None:
    kept = make(clock)
    await say(kept, "a", "1", "one")
    clock.now += 59
    await say(kept, "a", "1", "two")
    clock.now += 59
    assert len(await say(kept, "a", "1", "three")) == 5
    clock.now += 61
    assert (kept.entries, kept.bytes) == (0, 0)
    assert await say(kept, "a", "1", "four") == ["four"]


async def test_entries_and_bytes_are_bounded_least_recently_used_first(clock: Clock) -> None:
    kept = make(clock, max_entries=2)
    for name in ("1", "2"):
        await say(kept, "a", name, "one")
    await say(kept, "a", "1", "two")
    await say(kept, "a", "3", "one")
    assert kept.entries == 2
    assert len(await say(kept, "a", "1", "three")) == 5
    assert len(await say(kept, "a", "2", "again")) == 1

    kept = make(clock, max_bytes=3 * (TURN_OVERHEAD_BYTES + 10))
    for name in range(10):
        await say(kept, "a", str(name), "12345678", "ab")
    assert (kept.entries, kept.bytes) == (3, 3 * (TURN_OVERHEAD_BYTES + 10))
