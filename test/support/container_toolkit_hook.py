#!/usr/bin/env python3
"""Stands in for NVIDIA's container toolkit, as Docker calls it before a container with GPUs starts.

Standard input: the container's state, as the OCI runtime tells its hooks. The container gets a `nvidia-smi`
that lists its cards, numbered from 0, as the toolkit brings one; the host's cards are in `nvidia-smi.txt`
beside this file. A card that is not there is refused in the toolkit's words.
Source: opencontainers/runtime-spec, config.md, "Hooks"; moby/moby, daemon/nvidia_linux.go.
"""

import json
import re
import sys
from pathlib import Path

HOST = Path(__file__).with_name("nvidia-smi.txt").read_text()


def cards() -> dict[str, str]:
    """Lines of each card, by its number."""
    listed = re.split(r"^(?=GPU \d+:)", HOST, flags=re.MULTILINE)[1:]
    return {text.split(":", 1)[0].removeprefix("GPU "): text for text in listed}


def wanted(environment: list[str]) -> list[str]:
    """Cards of a container, by numbers or UUIDs, in the host's order; all where it says so."""
    named = [line.split("=", 1)[1] for line in environment if line.startswith("NVIDIA_VISIBLE_DEVICES=")]
    there = cards()
    if named[-1] == "all":
        return list(there.values())
    devices = named[-1].split(",")
    found = {
        device: number
        for device in devices
        for number, text in there.items()
        if device == number or f"(UUID: {device})" in text
    }
    unknown = [device for device in devices if device not in found]
    if unknown:
        sys.exit(f"nvidia-container-cli: device error: {unknown[0]}: unknown device")
    return [text for number, text in there.items() if number in found.values()]


def main() -> None:
    """Brings the program into the container's root."""
    bundle = Path(json.load(sys.stdin)["bundle"])
    config = json.loads((bundle / "config.json").read_text())
    listed = "".join(
        re.sub(r"^GPU \d+", f"GPU {i}", text) for i, text in enumerate(wanted(config["process"]["env"]))
    )
    program = bundle / config["root"]["path"] / "usr" / "bin" / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{listed}END\n")
    program.chmod(0o755)


main()
