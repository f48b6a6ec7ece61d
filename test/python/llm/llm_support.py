"""What the tests of the LLM proxy share; importing it makes the proxy and the simulator importable."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "models" / "llm-backend"
SIMULATOR = ROOT / "components" / "local" / "llm_simulator"

sys.path.insert(0, str(MODEL / "1"))
sys.path.insert(0, str(SIMULATOR.parent))
sys.path.insert(0, str(ROOT / "test" / "python"))

# Of no shape by which a key could be told: only knowing it keeps it out of messages.
KEY = "first/key+0123456789"


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Simulator:
    """The simulator in this process, and its control API."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self.url = url
        self._session = session

    async def faults(self, *rules: dict[str, Any]) -> None:
        async with self._session.post(f"{self.url}/_faults", json=list(rules)) as response:
            assert response.status == 200, await response.text()

    async def release(self) -> None:
        await self._session.post(f"{self.url}/_release")

    async def calls(self) -> list[dict[str, Any]]:
        async with self._session.get(f"{self.url}/_calls") as response:
            return (await response.json())["calls"]

    async def held(self) -> int:
        async with self._session.get(f"{self.url}/_held") as response:
            return (await response.json())["held"]
