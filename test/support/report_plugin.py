"""A pytest plugin that writes what the tests came to into the JSON file that PYTEST_REPORT names."""

import json
import os
from pathlib import Path

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts passed and failed tests, and names the skipped ones with their reasons."""
    stats = terminalreporter.stats
    skipped = []
    for report in stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped.append(f"{report.nodeid} ({reason.removeprefix('Skipped: ')})")
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    outcome = {"passed": len(stats.get("passed", [])), "failed": failed, "skipped": skipped}
    Path(os.environ["PYTEST_REPORT"]).write_text(json.dumps(outcome))
