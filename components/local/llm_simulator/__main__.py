"""Command line: `python components/local/llm_simulator --port N`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

if not __package__:  # started by its folder's path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import web

from llm_simulator.app import create_app


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="llm_simulator", description="OpenAI-compatible chat completion simulator."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    parser.add_argument("--api-key-file", type=Path, help="file with the key to demand; read at each call")
    return parser.parse_args()


async def _serve(args: argparse.Namespace) -> None:
    app = create_app(latency=args.latency, api_key_file=args.api_key_file)
    # Without cancellation a held call would outlive the client that gave it up.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, args.host, args.port, backlog=1024)
        await site.start()
        host, port = runner.addresses[0][:2]
        print(f"llm_simulator listening on http://{host}:{port}/v1", flush=True)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(_arguments()))
