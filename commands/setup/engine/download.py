"""Downloads and unpacks an archive: download.py ARCHIVE_URL CHECKSUMS_URL FOLDER.

The archive must have the sha256 that CHECKSUMS_URL names for it. Gives up as soon as a connection is refused,
and after a few seconds in which nothing arrives.
"""

import hashlib
import http.client
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

SILENCE_S = 10
CHUNK = 1 << 20


def expected_sha256(checksums_url: str, name: str) -> str:
    """Return the sha256 that a release's list of checksums, as sha256sum writes it, names for a file."""
    with urllib.request.urlopen(checksums_url, timeout=SILENCE_S) as response:
        lines = response.read().decode().splitlines()
    for line in lines:
        sha256, _, listed = line.partition(" ")
        if listed.strip() == name:
            return sha256
    raise ValueError(f"{checksums_url} does not name {name}")


def download(url: str, archive: Path) -> str:
    """Write what the URL holds to a file, showing progress, and return its sha256."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=SILENCE_S) as response, archive.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        received, shown = 0, time.monotonic()
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if time.monotonic() - shown > 0.5:
                shown = time.monotonic()
                print(f"downloading {archive.name}: {received >> 20} of {total >> 20} MiB", flush=True)
    return digest.hexdigest()


def main(archive_url: str, checksums_url: str, folder: str) -> None:
    """Download, verify and unpack."""
    archive = Path(folder, archive_url.rsplit("/", 1)[-1])
    expected = expected_sha256(checksums_url, archive.name)
    sha256 = download(archive_url, archive)
    if sha256 != expected:
        raise ValueError(f"{archive.name} has sha256 {sha256}, not {expected}")
    print(f"unpacking {archive.name}", flush=True)
    with tarfile.open(archive) as tar:
        # The first patch releases of Python 3.11 lack the filter.
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    archive.unlink()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, http.client.HTTPException, tarfile.TarError) as error:
        sys.exit(f"error: {error}")
