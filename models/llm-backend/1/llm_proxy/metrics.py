"""The model's own metrics, beside Triton's `nv_*` on the metrics port.

Every update of a Triton metric is a round trip from this process to the server, so calls only add to plain
numbers, and a thread of its own carries what changed over, once a second.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import TRAITS, Code

log = logging.getLogger(__name__)

EXPORT_SECONDS = 1.0

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Family:
    """One metric family: its kind (`counter` or `gauge`) and help text."""

    kind: str
    help: str


FAMILIES: dict[str, Family] = {
    "llm_requests_total": Family("counter", "Requests by outcome: ok, or the error's code"),
    # A histogram in counters: Triton's Python models have had families of that kind only since 25.01.
    "llm_request_seconds_bucket": Family("counter", "Answered requests that took at most `le` seconds"),
    "llm_request_seconds_sum": Family("counter", "Time that answered requests took, in seconds"),
    "llm_request_seconds_count": Family("counter", "Answered requests"),
    "llm_upstream_attempts_total": Family("counter", "Upstream calls, retries included"),
    "llm_upstream_seconds_total": Family("counter", "Time spent in upstream calls, in seconds"),
    "llm_retries_total": Family("counter", "Upstream calls repeated, by the code of the failure before"),
    "llm_tokens_total": Family("counter", "Tokens by kind: prompt, completion"),
    "llm_cost_usd_total": Family("counter", "Cost of the tokens at the configured prices, in US dollars"),
    "llm_reference_cost_usd_total": Family("counter", "Cost at the reference price, in US dollars"),
    "llm_conversation_lookups_total": Family("counter", "Conversation look-ups by result: hit, miss"),
    "llm_conversations": Family("gauge", "Conversations kept"),
    "llm_conversation_bytes": Family("gauge", "Bytes of the conversations kept"),
    "llm_breaker_state": Family("gauge", "Circuit breaker: 0 closed, 1 half-open, 2 open"),
    "llm_calls_running": Family("gauge", "Upstream calls under way"),
    "llm_calls_waiting": Family("gauge", "Calls queued for an upstream slot"),
    "llm_rows_pending": Family("gauge", "Rows admitted and not yet answered"),
}

OK = "ok"

# Upper bounds in seconds. A latency objective must be one of them to be measured exactly.
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_BOUNDS = (*((bound, f"{bound:g}") for bound in BUCKETS), (float("inf"), "+Inf"))
_RETRIED = tuple(code for code, traits in TRAITS.items() if traits.retried)


class Metrics:
    """The numbers. Written by the event loop's thread, read by the exporter's."""

    def __init__(
        self, price_prompt_usd: float, price_completion_usd: float, price_reference_usd: float
    ) -> None:
        """Start at zero, with every series whose labels are known. Prices are per million tokens."""
        self._price_prompt = price_prompt_usd / 1e6
        self._price_completion = price_completion_usd / 1e6
        self._price_reference = price_reference_usd / 1e6
        # A series that first appears with its first event hides that event from rate() and increase().
        self._values: dict[Series, float] = dict.fromkeys(
            [
                *(("llm_requests_total", (("outcome", outcome),)) for outcome in (OK, *Code)),
                *(("llm_request_seconds_bucket", (("le", text),)) for _, text in _BOUNDS),
                ("llm_request_seconds_sum", ()),
                ("llm_request_seconds_count", ()),
                *(("llm_retries_total", (("reason", code),)) for code in _RETRIED),
                *(("llm_tokens_total", (("kind", kind),)) for kind in ("prompt", "completion")),
                *(("llm_conversation_lookups_total", (("result", result),)) for result in ("hit", "miss")),
                ("llm_upstream_attempts_total", ()),
                ("llm_upstream_seconds_total", ()),
                ("llm_cost_usd_total", ()),
                ("llm_reference_cost_usd_total", ()),
            ],
            0.0,
        )
        self._gauges: dict[str, Callable[[], float]] = {}

    def answered(self, seconds: float) -> None:
        """Count a request that got its answer after `seconds`, waiting included."""
        self._add("llm_requests_total", 1, ("outcome", OK))
        for bound, text in _BOUNDS:
            if seconds <= bound:
                self._add("llm_request_seconds_bucket", 1, ("le", text))
        self._add("llm_request_seconds_sum", seconds)
        self._add("llm_request_seconds_count", 1)

    def failed(self, code: Code) -> None:
        """Count a request that got an error."""
        self._add("llm_requests_total", 1, ("outcome", code))

    def attempt(self, seconds: float) -> None:
        """Count an upstream call that took `seconds`, whatever became of it."""
        self._add("llm_upstream_attempts_total", 1)
        self._add("llm_upstream_seconds_total", seconds)

    def retry(self, reason: Code) -> None:
        """Count a call about to be repeated."""
        self._add("llm_retries_total", 1, ("reason", reason))

    def tokens(self, prompt: int, completion: int) -> None:
        """Count a completion's tokens and their cost: paid for even if the request fails after all."""
        self._add("llm_tokens_total", prompt, ("kind", "prompt"))
        self._add("llm_tokens_total", completion, ("kind", "completion"))
        self._add("llm_cost_usd_total", prompt * self._price_prompt + completion * self._price_completion)
        self._add("llm_reference_cost_usd_total", (prompt + completion) * self._price_reference)

    def conversation_lookup(self, *, hit: bool) -> None:
        """Count a look-up of a conversation."""
        self._add("llm_conversation_lookups_total", 1, ("result", "hit" if hit else "miss"))

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Have the gauge `name` read by `read`, in the event loop's thread."""
        if FAMILIES[name].kind != "gauge":
            raise ValueError(f"{name} is not a gauge")
        self._gauges[name] = read

    def read_gauges(self) -> None:
        """Bring the gauges up to date; to be called in the event loop's thread."""
        for name, read in self._gauges.items():
            self._values[name, ()] = read()

    def snapshot(self) -> dict[Series, float]:
        """All values as of now. One copy of a dict is atomic: needs no lock."""
        return dict(self._values)

    def _add(self, name: str, value: float, *labels: tuple[str, str]) -> None:
        self._values[name, labels] += value


class Exporter:
    """Carries the numbers to Triton from a thread of its own."""

    def __init__(
        self,
        metrics: Metrics,
        metric_family: Any,  # noqa: ANN401
        model: str,
        refresh: Callable[[], None],
    ) -> None:
        """Register the families.

        Args:
            metrics: the numbers.
            metric_family: `pb_utils.MetricFamily`.
            model: value of the label `model`.
            refresh: asks for the gauges to be read; must not block.
        """
        self._metrics = metrics
        self._refresh = refresh
        self._model = model
        kinds = {"counter": metric_family.COUNTER, "gauge": metric_family.GAUGE}
        self._families = {
            name: metric_family(name=name, description=family.help, kind=kinds[family.kind])
            for name, family in FAMILIES.items()
        }
        self._series: dict[Series, Any] = {}
        self._sent: dict[Series, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llm-metrics", daemon=True)
        self._thread.start()

    def export(self) -> None:
        """Carry over what changed since the last time."""
        for series, value in self._metrics.snapshot().items():
            name, labels = series
            metric = self._series.get(series)
            if metric is None:
                metric = self._families[name].Metric(labels={"model": self._model, **dict(labels)})
                self._series[series] = metric
            sent = self._sent.get(series, 0.0)
            if value == sent:
                continue
            if FAMILIES[name].kind == "gauge":
                metric.set(value)
            else:
                metric.increment(value - sent)
            self._sent[series] = value

    def stop(self) -> None:
        """End the thread and delete the metrics, each before its family as Triton demands."""
        self._stop.set()
        self._thread.join(timeout=2 * EXPORT_SECONDS)
        self._series.clear()
        self._families.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._refresh()
            try:
                self.export()
            except Exception:
                # Metrics must not take answers down with them; the same values are tried again.
                log.exception("cannot export metrics")
            self._stop.wait(EXPORT_SECONDS)
