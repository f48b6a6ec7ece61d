/**
 * Every metric that rules and dashboards may name, with the labels it has: what is in no recorded page of a real server
 * (test/recorded) is in no alert. A test compares the two, and every query with this list.
 */

/** Who tells a metric. `recorded` are this platform's own recording rules. */
export type Source =
  "triton" | "llm-proxy" | "haproxy" | "dcgm" | "kube-state" | "prometheus" | "cert-manager" | "blackbox";

export interface Metric {
  readonly source: Source;
  readonly type: "counter" | "gauge" | "summary";
  /** Without those that Prometheus gives to every series of a target. */
  readonly labels: readonly string[];
  /** Where it is described, of a metric that no page recorded here has: there was no GPU, or no cluster. */
  readonly documented?: string;
}

/** Labels of a scraped target: Prometheus' own, and those by which the platform tells its servers apart. */
export const targetLabels = {
  triton: ["job", "instance", "server", "replica", "namespace"],
  "llm-proxy": ["job", "instance", "server", "replica", "namespace"],
  // `server` is HAProxy's own label: a replica.
  haproxy: ["job", "instance", "namespace"],
  dcgm: ["job", "instance", "namespace"],
  "kube-state": ["job", "instance"],
  prometheus: ["job", "instance", "namespace"],
  "cert-manager": ["job", "instance"],
  blackbox: ["job", "instance"],
} as const satisfies Readonly<Record<Source, readonly string[]>>;

const model = ["model", "version"] as const;

const triton = {
  ...family("triton", "counter", model, [
    "nv_inference_request_success",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_compute_output_duration_us",
  ]),
  ...family("triton", "counter", [...model, "reason"], ["nv_inference_request_failure"]),
  ...family("triton", "gauge", model, ["nv_inference_pending_request_count"]),
  ...family(
    "triton",
    "summary",
    [...model, "quantile"],
    ["nv_inference_request_summary_us", "nv_inference_queue_summary_us"],
  ),
  ...family(
    "triton",
    "gauge",
    [],
    [
      "nv_cpu_utilization",
      "nv_cpu_memory_total_bytes",
      "nv_cpu_memory_used_bytes",
      "nv_pinned_memory_pool_total_bytes",
      "nv_pinned_memory_pool_used_bytes",
    ],
  ),
  ...family("triton", "counter", model, ["nv_cache_num_hits_per_model", "nv_cache_num_misses_per_model"]),
  ...family(
    "triton",
    "gauge",
    model,
    ["nv_model_load_duration_secs"],
    "triton-inference-server/server docs/user_guide/metrics.md, Model Load Time; newer than the server of this machine",
  ),
  ...family(
    "triton",
    "gauge",
    ["gpu_uuid"],
    ["nv_gpu_utilization", "nv_gpu_memory_total_bytes", "nv_gpu_memory_used_bytes", "nv_gpu_power_usage"],
    "triton-inference-server/server docs/user_guide/metrics.md, GPU Metrics",
  ),
};

const llmProxy = {
  ...family("llm-proxy", "counter", ["model", "outcome"], ["llm_requests_total"]),
  ...family("llm-proxy", "counter", ["model", "le"], ["llm_request_seconds_bucket"]),
  ...family(
    "llm-proxy",
    "counter",
    ["model"],
    [
      "llm_request_seconds_sum",
      "llm_request_seconds_count",
      "llm_upstream_attempts_total",
      "llm_upstream_seconds_total",
      "llm_cost_usd_total",
      "llm_reference_cost_usd_total",
    ],
  ),
  ...family("llm-proxy", "counter", ["model", "reason"], ["llm_retries_total"]),
  ...family("llm-proxy", "counter", ["model", "kind"], ["llm_tokens_total"]),
  ...family("llm-proxy", "counter", ["model", "result"], ["llm_conversation_lookups_total"]),
  ...family(
    "llm-proxy",
    "gauge",
    ["model"],
    [
      "llm_conversations",
      "llm_conversation_bytes",
      "llm_breaker_state",
      "llm_calls_running",
      "llm_calls_waiting",
      "llm_rows_pending",
    ],
  ),
};

/** What is kept of HAProxy's page, which has six times as much. */
const haproxy = {
  ...family(
    "haproxy",
    "counter",
    ["proxy"],
    [
      "haproxy_frontend_http_requests_total",
      "haproxy_frontend_requests_denied_total",
      "haproxy_backend_http_requests_total",
      "haproxy_backend_connection_errors_total",
      "haproxy_backend_response_errors_total",
      "haproxy_backend_retry_warnings_total",
      "haproxy_backend_redispatch_warnings_total",
      "haproxy_backend_client_aborts_total",
    ],
  ),
  ...family(
    "haproxy",
    "counter",
    ["proxy", "code"],
    ["haproxy_frontend_http_responses_total", "haproxy_backend_http_responses_total"],
  ),
  ...family(
    "haproxy",
    "gauge",
    ["proxy"],
    [
      "haproxy_frontend_current_sessions",
      "haproxy_frontend_limit_sessions",
      "haproxy_backend_active_servers",
      "haproxy_backend_current_queue",
      "haproxy_backend_current_sessions",
      "haproxy_backend_queue_time_average_seconds",
      "haproxy_backend_response_time_average_seconds",
      "haproxy_backend_total_time_average_seconds",
    ],
  ),
  ...family("haproxy", "counter", ["proxy", "server"], ["haproxy_server_check_up_down_total"]),
  ...family("haproxy", "gauge", ["proxy", "server", "state"], ["haproxy_server_status"]),
  ...family("haproxy", "gauge", ["proxy", "server"], ["haproxy_server_current_sessions"]),
  ...family(
    "haproxy",
    "gauge",
    [],
    [
      "haproxy_process_idle_time_percent",
      "haproxy_process_current_connections",
      "haproxy_process_max_connections",
    ],
  ),
};

/** One GPU, or one MIG slice of it. Source: NVIDIA/dcgm-exporter, internal/pkg/rendermetrics/render_metrics.go. */
const gpu = [
  ...["gpu", "UUID", "pci_bus_id", "device", "modelName", "GPU_I_PROFILE", "GPU_I_ID", "hostname"],
  // Of the pod that holds it; `exported_`, since Prometheus' own are the exporter's.
  ...["exported_pod", "exported_namespace", "exported_container", "DCGM_FI_DRIVER_VERSION"],
  // From the pod's node, by relabelling.
  "node",
] as const;

const dcgmSource =
  "NVIDIA/dcgm-exporter 4.8.2, etc/default-counters.csv and internal/pkg/rendermetrics/render_metrics.go";

const dcgm = {
  ...family(
    "dcgm",
    "gauge",
    gpu,
    [
      "DCGM_FI_DEV_FB_USED",
      "DCGM_FI_DEV_FB_FREE",
      "DCGM_FI_DEV_GPU_TEMP",
      "DCGM_FI_DEV_MEMORY_TEMP",
      "DCGM_FI_DEV_POWER_USAGE",
      "DCGM_FI_DEV_SM_CLOCK",
      "DCGM_FI_DEV_GPU_UTIL",
      "DCGM_FI_DEV_XID_ERRORS",
      "DCGM_FI_DEV_ROW_REMAP_FAILURE",
      "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
      "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
      "DCGM_FI_PROF_DRAM_ACTIVE",
    ],
    dcgmSource,
  ),
  ...family(
    "dcgm",
    "counter",
    gpu,
    [
      "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
      "DCGM_FI_DEV_POWER_VIOLATION",
      "DCGM_FI_DEV_THERMAL_VIOLATION",
      "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
      "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
      "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    ],
    dcgmSource,
  ),
};

const kubeStateSource = "kubernetes/kube-state-metrics docs/metrics/workload/pod-metrics.md";

const kubeState = {
  ...family(
    "kube-state",
    "counter",
    ["namespace", "pod", "container", "uid"],
    ["kube_pod_container_status_restarts_total", "kube_pod_init_container_status_restarts_total"],
    kubeStateSource,
  ),
  ...family(
    "kube-state",
    "gauge",
    ["namespace", "pod", "container", "uid", "reason"],
    ["kube_pod_container_status_last_terminated_reason"],
    kubeStateSource,
  ),
  ...family(
    "kube-state",
    "gauge",
    ["namespace", "pod", "uid", "condition"],
    ["kube_pod_status_ready"],
    kubeStateSource,
  ),
};

const prometheus = {
  ...family("prometheus", "counter", ["rule_group"], ["prometheus_rule_evaluation_failures_total"]),
  ...family("prometheus", "counter", ["type"], ["prometheus_tsdb_head_samples_appended_total"]),
  ...family("prometheus", "gauge", [], ["prometheus_config_last_reload_successful"]),
};

const certificates = {
  ...family(
    "cert-manager",
    "gauge",
    ["name", "namespace", "issuer_name", "issuer_kind", "issuer_group"],
    ["certmanager_certificate_expiration_timestamp_seconds"],
    "cert-manager.io/docs/devops-tips/prometheus-metrics",
  ),
  ...family(
    "blackbox",
    "gauge",
    [],
    ["probe_ssl_earliest_cert_expiry"],
    "prometheus/blackbox_exporter prober/http.go",
  ),
};

export const metrics: Readonly<Record<string, Metric>> = {
  ...triton,
  ...llmProxy,
  ...haproxy,
  ...dcgm,
  ...kubeState,
  ...prometheus,
  ...certificates,
};

/** Names of one source's metrics, sorted. */
export function metricsOf(source: Source): readonly string[] {
  return Object.entries(metrics)
    .flatMap(([name, metric]) => (metric.source === source ? [name] : []))
    .sort();
}

/**
 * What Prometheus keeps of HAProxy's page, as a regular expression on `__name__`: of the 1252 series of five
 * servers a sixth is ever asked for.
 */
export const keptOfHaproxy = metricsOf("haproxy").join("|");

/** What Prometheus drops of Triton's page: summaries of single steps, a quarter of it, which nothing asks for. */
export const droppedOfTriton = "nv_inference_compute_.*_summary_us.*";

function family(
  source: Source,
  type: Metric["type"],
  labels: readonly string[],
  names: readonly string[],
  documented?: string,
): Readonly<Record<string, Metric>> {
  const metric = { source, type, labels, ...(documented === undefined ? {} : { documented }) };
  return Object.fromEntries(names.map((name) => [name, metric]));
}
