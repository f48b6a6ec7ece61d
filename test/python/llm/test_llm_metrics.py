from __future__ import annotations

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
    metrics.request("ok")
    metrics.request("ok")
    metrics.retry(Code.RATE_LIMITED)
    metrics.read_gauges()
    exporter.export()
    exporter.export()
    assert FakeFamily.updates == 3
    assert FakeFamily.values["llm_requests_total", "model=llm,outcome=ok"] == 2
    assert FakeFamily.values["llm_breaker_state", "model=llm"] == 2
    exporter.stop()


def test_names_follow_the_conventions() -> None:
    for name, family in FAMILIES.items():
        assert name.startswith("llm_")
        assert name.endswith("_total") == (family.kind == "counter")
