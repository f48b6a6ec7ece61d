#!/usr/bin/env python3
"""Stands in for NVIDIA's exporter of GPU metrics: takes its flags, and gives a page as it would.

Every counter that it is told to collect must be on the page.
"""

import argparse
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path("/usr/share/dcgm.txt").read_text()


class Handler(BaseHTTPRequestHandler):
    """Answers /health and /metrics."""

    def do_GET(self) -> None:
        """Answers with the page, whoever asks."""
        body = b"OK" if self.path == "/health" else PAGE.encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--collectors", required=True, type=Path)
    parser.add_argument("--collect-interval", required=True, type=int)
    flags = parser.parse_args()
    # The first process of a container has to see to that itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    lines = [line.split(", ") for line in flags.collectors.read_text().splitlines()]
    missing = [name for name, kind, _ in lines if kind != "label" and name not in PAGE]
    if missing:
        parser.error(f"no card has {', '.join(missing)}")
    host, port = flags.address.rsplit(":", 1)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


main()
