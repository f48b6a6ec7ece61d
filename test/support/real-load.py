"""Calls a platform over HTTP and gRPC, with an API key, until told to stop.

Standard input: a JSON line `{"host", "key", "tls": {"name", "authorities"}}`: the balancer's address, the API
key, and under TLS its name in the certificate and the PEM file of who signed that; then any line stops.
Standard output: a line `ready` after the first answers, then JSON: `{"http": {"x2": 12}, "grpc": {"x2": 12},
"llm": {"ok": 12}, "llm-grpc": {"ok": 12}}`, counts by the factor that the model has multiplied by, or by
error. Nothing is tried again. Stops by itself after 180 s.
"""

import asyncio
import collections
import json
import ssl
import sys
from typing import Any

import aiohttp
import numpy as np
import tritonclient.grpc.aio as grpc_client

CALLERS = 3
PAUSE_SECONDS = 0.05  # the platform has two cores, and its callers are not to take them
LIMIT_SECONDS = 180

Settings = dict[str, Any]


async def scale_over_http(settings: Settings, stop: asyncio.Event, counts: collections.Counter) -> None:
    """One client of the model `scale` with a connection of its own."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 10]}

    def outcome(answer: dict) -> str:
        return factor(answer["outputs"][0]["data"])

    await post("scale", {"inputs": [tensor]}, outcome, settings, stop, counts)


async def ask_llm(settings: Settings, stop: asyncio.Event, counts: collections.Counter) -> None:
    """One client of the model `llm-backend` with a connection of its own."""
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1, 1], "data": ["How are you?"]}

    def outcome(answer: dict) -> str:
        text = answer["outputs"][0]["data"][0]
        return "ok" if "LLM simulator" in text else text

    await post("llm-backend", {"inputs": [tensor]}, outcome, settings, stop, counts)


async def post(model, body, outcome, settings, stop, counts) -> None:  # noqa: ANN001
    """Posts one request after the other."""
    tls = settings.get("tls")
    url = f"{'http' if tls is None else 'https'}://{settings['host']}:8000/v2/models/{model}/infer"
    secured = (
        {}
        if tls is None
        else {
            "ssl": ssl.create_default_context(cafile=tls["authorities"]),
            "server_hostname": tls["name"],
        }
    )
    async with aiohttp.ClientSession(headers={"x-api-key": settings["key"]}) as session:
        while not stop.is_set():
            try:
                async with session.post(url, json=body, **secured) as response:
                    text = await response.text()
                    counts[
                        outcome(json.loads(text))
                        if response.status == 200
                        else f"{response.status} {text[:200]}"
                    ] += 1
            except aiohttp.ClientError as error:
                counts[repr(error)] += 1
            await asyncio.sleep(PAUSE_SECONDS)


async def scale_over_grpc(settings: Settings, stop: asyncio.Event, counts: collections.Counter) -> None:
    """One client of the model `scale` with a channel of its own."""
    tensor = grpc_client.InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.array([[1, 10]], dtype=np.float32))

    def outcome(answer: grpc_client.InferResult) -> str:
        return factor(answer.as_numpy("y").reshape(-1).tolist())

    await infer("scale", tensor, {}, outcome, settings, stop, counts)


async def ask_llm_over_grpc(settings: Settings, stop: asyncio.Event, counts: collections.Counter) -> None:
    """One client of the model `llm-backend` with a channel of its own."""
    tensor = grpc_client.InferInput("prompt", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"How are you?"]], dtype=np.object_))

    def outcome(answer: grpc_client.InferResult) -> str:
        text = answer.as_numpy("generated_text").reshape(-1)[0].decode()
        return "ok" if "LLM simulator" in text else text

    await infer("llm-backend", tensor, {"x-triton-server": "llm"}, outcome, settings, stop, counts)


async def infer(model, tensor, headers, outcome, settings, stop, counts) -> None:  # noqa: ANN001
    """Makes one unary call after the other."""
    tls = settings.get("tls")
    named = [] if tls is None else [("grpc.ssl_target_name_override", tls["name"])]
    client = grpc_client.InferenceServerClient(
        f"{settings['host']}:8001",
        ssl=tls is not None,
        root_certificates=None if tls is None else tls["authorities"],
        channel_args=[
            *named,
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )
    headers = {"x-api-key": settings["key"], **headers}
    while not stop.is_set():
        try:
            counts[outcome(await client.infer(model, [tensor], headers=headers))] += 1
        except grpc_client.InferenceServerException as error:
            counts[str(error)[:200]] += 1
        await asyncio.sleep(PAUSE_SECONDS)
    await client.close()


def factor(numbers: list[float]) -> str:
    """What 1 and 10 were multiplied by."""
    first, second = numbers
    return f"x{first:g}" if second == 10 * first else f"wrong: {numbers}"


async def main() -> None:
    """Runs the callers until told to stop."""
    settings = json.loads(sys.stdin.readline())
    stop = asyncio.Event()
    callers = {
        "http": scale_over_http,
        "grpc": scale_over_grpc,
        "llm": ask_llm,
        "llm-grpc": ask_llm_over_grpc,
    }
    counts = {name: collections.Counter() for name in callers}
    tasks = [
        asyncio.create_task(call(settings, stop, counts[name]))
        for _ in range(CALLERS)
        for name, call in callers.items()
    ]
    async with asyncio.timeout(LIMIT_SECONDS):
        while not all(counts.values()):
            await asyncio.sleep(0.02)
    print("ready", flush=True)
    line = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.wait([line], timeout=LIMIT_SECONDS)
    stop.set()
    await asyncio.gather(*tasks)
    print(json.dumps(counts), flush=True)


asyncio.run(main())
