"""Downloads and unpacks an archive: download.py ARCHIVE_URL CHECKSUMS_URL FOLDER.

The archive must have the sha256 that CHECKSUMS_URL names for it. Gives up as soon as a connection is refused, and
after a few seconds in which nothing arrives.
"""

import hashlib
import os
import sys
import tarfile
import time
import urllib.request

SILENCE_S = 10
CHUNK = 1 << 20


def main(archive_url: str, checksums_url: str, folder: str) -> None:
    name = archive_url.rsplit("/", 1)[-1]
    with urllib.request.urlopen(checksums_url, timeout=SILENCE_S) as response:
        checksums = dict(reversed(line.split(None, 1)) for line in response.read().decode().splitlines() if line.strip())
    expected = checksums.get(name)
    if expected is None:
        raise ValueError(f"{checksums_url} does not name {name}")

    archive = os.path.join(folder, name)
    digest = hashlib.sha256()
    with urllib.request.urlopen(archive_url, timeout=SILENCE_S) as response, open(archive, "wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        received, shown = 0, time.monotonic()
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if time.monotonic() - shown > 0.5:
                shown = time.monotonic()
                print(f"downloading {name}: {received >> 20} of {total >> 20} MiB", flush=True)
    if digest.hexdigest() != expected:
        raise ValueError(f"{name} has sha256 {digest.hexdigest()}, not {expected}")

    print(f"unpacking {name}", flush=True)
    with tarfile.open(archive) as tar:
        # Old patch releases of Python 3.11 lack the filter.
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    os.remove(archive)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, tarfile.TarError) as error:
        sys.exit(f"error: {error}")
