"""Triton's entry points of the LLM proxy; everything else is in the package `llm_proxy` beside this file.

Triton imports this file as `<version>.model` from the model's folder, so that a relative import finds the
package of the same version whatever else is installed.
"""

import json
import logging
import os
from typing import Any

import triton_python_backend_utils as pb_utils

from .llm_proxy.runner import Runner
from .llm_proxy.settings import load_settings


class TritonPythonModel:
    """Answers prompts with an upstream's chat completions; ready whatever the upstream's state."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the settings and start.

        Raises:
            ValueError: a setting is wrong; Triton reports the message as the reason why the model does not
                load.
        """
        _log_to_triton()
        settings = load_settings(json.loads(args["model_config"]), os.environ)
        self._runner = Runner(pb_utils, settings, args["model_name"])

    def execute(self, requests: list[Any]) -> None:
        """Start the requests; their responses follow from another thread, each as soon as it is there."""
        self._runner.submit(requests)

    def finalize(self) -> None:
        """Stop within the configured grace."""
        if hasattr(self, "_runner"):  # not there when initialize failed
            self._runner.stop()


class _TritonHandler(logging.Handler):
    """Passes log records on to the server's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record at the nearest of the server's levels."""
        logger = pb_utils.Logger
        write = (
            logger.log_error
            if record.levelno >= logging.ERROR
            else logger.log_warn
            if record.levelno >= logging.WARNING
            else logger.log_info
        )
        write(self.format(record))


def _log_to_triton() -> None:
    log = logging.getLogger(f"{__package__}.llm_proxy" if __package__ else "llm_proxy")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [_TritonHandler()]
    log.handlers[0].setFormatter(logging.Formatter("llm-backend: %(message)s"))
