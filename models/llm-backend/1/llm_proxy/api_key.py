"""The API key: a file that may be rewritten at any time."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from .errors import Code, LlmError

log = logging.getLogger(__name__)

# A writer that truncates and then writes leaves the file empty for a moment: for this long the key before
# stays in use. Long enough for any writer, short enough for emptying the file to withdraw the key.
GRACE_SECONDS = 10.0


class ApiKey:
    """The key in a file, read again when the file changes. Its value is in no log, message or repr."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Watch `path` (None: there is no key). `clock` counts seconds."""
        self._path = path
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._value = ""
        self._seen_at = 0.0

    def get(self) -> str:
        """The key as of now; a `stat` when nothing changed.

        Raises:
            LlmError: LLM_NO_KEY when there is no usable key.
        """
        path = self._path
        if path is None:
            raise LlmError(
                Code.NO_KEY, "no API key is configured; set HOLYSHEEP_API_KEY_FILE to the key's file"
            )
        try:
            info = path.stat()
            stamp = (info.st_mtime_ns, info.st_ino, info.st_size)
            if stamp == self._stamp:
                return self._value
            value = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return self._grace("does not exist; write the key to it")
        except UnicodeDecodeError:
            return self._grace("holds characters no key has; write the key alone to it")
        except OSError as error:
            return self._grace(f"cannot be read ({type(error).__name__}); let the server's user read it")
        if not value:
            return self._grace("is empty; write the key to it")
        if not value.isprintable() or " " in value:
            return self._grace("holds more than one word; write the key alone to it")
        if value != self._value:
            log.info("API key %s", "changed" if self._value else "loaded")
        # Stamped from before the read: a write in between is seen as a change by the next call.
        self._stamp, self._value, self._seen_at = stamp, value, 0.0
        return value

    def reread(self) -> str:
        """The key, read even if the file looks unchanged: it may have changed within one tick of its time."""
        self._stamp = None
        return self.get()

    def _grace(self, why: str) -> str:
        self._stamp = None
        now = self._clock()
        if self._value:
            self._seen_at = self._seen_at or now
            if now - self._seen_at <= GRACE_SECONDS:
                return self._value
            log.warning("API key withdrawn: its file %s", why)
            self._value, self._seen_at = "", 0.0
        raise LlmError(Code.NO_KEY, f"the API key file {self._path} {why}; it is read again at the next call")
