"""Calls a platform without a pause over HTTP and gRPC until a line comes on standard input.

Arguments: HTTP address, gRPC address. Standard output: a line `ready` after the first answers, then JSON:
`{"http": {"200": 12}, "grpc": {"ok": 12}}`, counts by status or error. Stops by itself after 120 s.
"""

import asyncio
import collections
import json
import sys

import aiohttp
import numpy as np
import tritonclient.grpc.aio as grpc_client

CALLERS = 3
LIMIT_SECONDS = 120


async def http_caller(address: str, stop: asyncio.Event, counts: collections.Counter) -> None:
    """One client with a connection of its own."""
    url = f"http://{address}/v2/models/text-analysis/infer"
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["the team won the match"]}
    async with aiohttp.ClientSession() as session:
        while not stop.is_set():
            try:
                async with session.post(url, json={"inputs": [tensor]}) as response:
                    body = await response.text()
                    counts["200" if response.status == 200 else f"{response.status} {body[:100]}"] += 1
            except aiohttp.ClientError as error:
                counts[repr(error)] += 1


async def grpc_caller(address: str, stop: asyncio.Event, counts: collections.Counter) -> None:
    """One client with a channel of its own."""
    client = grpc_client.InferenceServerClient(address)
    tensor = grpc_client.InferInput("input_text", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"the team won the match"]], dtype=object))
    while not stop.is_set():
        try:
            await client.infer("embedding-model", [tensor])
            counts["ok"] += 1
        except Exception as error:
            counts[str(error)[:100]] += 1
    await client.close()


async def main() -> None:
    """Runs the callers until told to stop."""
    http_address, grpc_address = sys.argv[1:3]
    stop = asyncio.Event()
    counts = {"http": collections.Counter(), "grpc": collections.Counter()}
    callers = [
        asyncio.create_task(caller)
        for _ in range(CALLERS)
        for caller in (
            http_caller(http_address, stop, counts["http"]),
            grpc_caller(grpc_address, stop, counts["grpc"]),
        )
    ]
    while not all(counts.values()):
        await asyncio.sleep(0.02)
    print("ready", flush=True)
    line = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.wait([line], timeout=LIMIT_SECONDS)
    stop.set()
    await asyncio.gather(*callers)
    print(json.dumps(counts), flush=True)


asyncio.run(main())
