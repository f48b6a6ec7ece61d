from __future__ import annotations

import re
from typing import Any

from llm_proxy.errors import Code
from llm_proxy.metrics import FAMILIES, Exporter, Metrics


class FakeFamily:
    """Stands for `pb_utils.MetricFamily`; collects what is exported."""

    COUNTER, GAUGE = "counter", "gauge"
    values: dict[tuple[str, str], float]
    updates: int

    def __init__(self, name: str, description: str, kind: str) -> None:
        assert description
        self.name, self.kind = name, kind

    def Metric(self, labels: dict[str, str]) -> Any:  # noqa: ANN401
        family = self
        series = (self.name, ",".join(f"{key}={value}" for key, value in sorted(labels.items())))
        FakeFamily.values[series] = 0.0

        class Metric:
            def increment(self, value: float) -> None:
                assert family.kind == "counter"
                assert value > 0
                FakeFamily.values[series] += value
                FakeFamily.updates += 1

            def set(self, value: float) -> None:
                assert family.kind == "gauge"
                FakeFamily.values[series] = value
                FakeFamily.updates += 1

        return Metric()


def test_exports_only_what_changed() -> None:
    FakeFamily.values, FakeFamily.updates = {}, 0
    metrics = Metrics(0.42, 0.42, 8)
    metrics.gauge("llm_breaker_state", lambda: 2)
    exporter = Exporter(metrics, FakeFamily, "llm", lambda: None)
    exporter.stop()
    assert FakeFamily.values["llm_requests_total", "model=llm,outcome=ok"] == 0
    assert FakeFamily.values["llm_requests_total", "model=llm,outcome=LLM_RATE_LIMITED"] == 0
    exporter = Exporter(metrics, FakeFamily, "llm", lambda: None)
    exporter._stop.set()
    exporter._thread.join()
    FakeFamily.updates = 0
    metrics.failed(Code.OVERLOADED)
    metrics.failed(Code.OVERLOADED)
    metrics.retry(Code.RATE_LIMITED)
    metrics.read_gauges()
    exporter.export()
    exporter.export()
    assert FakeFamily.updates == 3
    assert FakeFamily.values["llm_requests_total", "model=llm,outcome=LLM_OVERLOADED"] == 2
    assert FakeFamily.values["llm_breaker_state", "model=llm"] == 2
    exporter.stop()


def test_times_of_answers_are_a_histogram() -> None:
    metrics = Metrics(1, 1, 1)
    for seconds in (0.05, 0.1, 3.0, 500.0):
        metrics.answered(seconds)
    metrics.failed(Code.DEADLINE)
    values = metrics.snapshot()
    buckets = [
        values["llm_request_seconds_bucket", (("le", le),)] for le in ("0.1", "2.5", "5", "120", "+Inf")
    ]
    assert buckets == [2, 2, 3, 3, 4]
    assert values["llm_request_seconds_count", ()] == values["llm_requests_total", (("outcome", "ok"),)] == 4
    assert values["llm_request_seconds_sum", ()] == 503.15


def test_names_follow_the_conventions() -> None:
    for name, family in FAMILIES.items():
        assert name.startswith("llm_")
        histogram = re.fullmatch(r"llm_request_seconds_(bucket|sum|count)", name) is not None
        assert (name.endswith("_total") or histogram) == (family.kind == "counter")
