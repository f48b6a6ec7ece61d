from __future__ import annotations

import asyncio

import pytest
from llm_proxy.errors import LlmError
from llm_proxy.slots import Admission, Slots

NEVER = float("inf")


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Work:
    """Calls that hold a slot until told to let go; remembers in which order they got one."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, caller: str, deadline: float = NEVER) -> None:
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, caller, deadline))

    async def _run(self, name: str, caller: str, deadline: float) -> None:
        async with self.slots.hold(caller, deadline):
            self.order.append(name)
            await self.gates[name].wait()

    async def finish(self, name: str) -> None:
        self.gates[name].set()
        await settle()


async def test_never_more_than_the_size() -> None:
    work = Work(Slots(2))
    for name in ("a1", "a2", "a3"):
        work.start(name, "a")
    await settle()
    assert work.order == ["a1", "a2"]
    assert (work.slots.taken, work.slots.waiting) == (2, 1)
    await work.finish("a1")
    assert work.order == ["a1", "a2", "a3"]
    await work.finish("a2")
    await work.finish("a3")
    assert (work.slots.taken, work.slots.waiting) == (0, 0)


async def test_slots_go_round_the_callers() -> None:
    work = Work(Slots(1))
    work.start("a1", "a")
    await settle()
    for name in ("a2", "a3", "a4", "b1", "b2"):
        work.start(name, name[0])
    await settle()
    for _ in range(5):
        await work.finish(work.order[-1])
    assert work.order == ["a1", "a2", "b1", "a3", "b2", "a4"]


async def test_cancelled_and_late_waiters_lose_no_slot() -> None:
    work = Work(Slots(1))
    work.start("a1", "a")
    await settle()
    work.start("b1", "b")
    work.start("c1", "c", deadline=0)
    await settle()
    work.tasks["b1"].cancel()
    await settle()
    assert isinstance(work.tasks["c1"].exception(), TimeoutError)
    assert work.slots.waiting == 0
    await work.finish("a1")
    assert work.slots.taken == 0


async def test_slot_granted_while_being_cancelled_is_passed_on() -> None:
    work = Work(Slots(1))
    held = work.slots.hold("a", NEVER)
    await held.__aenter__()
    work.start("b1", "b")
    work.start("c1", "c")
    await settle()
    await held.__aexit__(None, None, None)
    assert (work.slots.taken, work.order) == (1, [])  # the slot is b's, who has not run yet
    work.tasks["b1"].cancel()
    await settle()
    assert work.order == ["c1"]
    await work.finish("c1")
    assert work.slots.taken == 0


async def test_slot_freed_while_a_waiter_is_being_cancelled_goes_to_the_next() -> None:
    work = Work(Slots(1))
    held = work.slots.hold("a", NEVER)
    await held.__aenter__()
    work.start("b1", "b")
    await settle()
    work.tasks["b1"].cancel()  # b still stands in the queue
    await held.__aexit__(None, None, None)
    await settle()
    assert work.tasks["b1"].cancelled()
    assert (work.slots.taken, work.slots.waiting) == (0, 0)


def test_admission_bounds_all_and_each_caller() -> None:
    admission = Admission(limit=4, limit_per_caller=3)
    with admission.admit("a", 3):
        with (
            pytest.raises(LlmError, match=r"LLM_OVERLOADED: this caller has 3 rows"),
            admission.admit("a", 1),
        ):
            pass
        with admission.admit("b", 1), pytest.raises(LlmError, match="LLM_OVERLOADED: 4 rows"):
            admission.admit("c", 1).__enter__()
    with admission.admit("a", 3):
        assert admission.total == 3
    assert admission.total == 0
