/**
 * For each alert series that make it fire, with what it then says, and series that do not: in the notation of
 * `promtool test rules`, a sample each 15 s. All belong to the platform `everything` of test/support/monitoring.ts.
 */
export interface AlertCase {
  readonly alert: string;
  /** When it is looked at. */
  readonly at: string;
  readonly firing: Series;
  /** The labels besides the namespace and severity, and the words, of each alert that fires. */
  readonly says: readonly { readonly labels: Readonly<Record<string, string>>; readonly summary: string }[];
  readonly silent: Series;
}

/** Values by series. */
export type Series = Readonly<Record<string, string>>;

const triton = 'job="triton",instance="10.0.0.1:8002",namespace="triton",server="gpu",replica="gpu-0"';
const llm =
  'job="triton",instance="10.0.0.2:8002",namespace="triton",server="llm",replica="llm-0",model="chat"';
const balancer = 'job="haproxy",instance="10.0.0.9:8002",namespace="triton"';
const embed = `${triton},model="embed",version="1"`;
const gpu =
  'job="dcgm",instance="10.0.0.5:9400",namespace="gpu-addons",node="gpu-node-1",gpu="0",UUID="GPU-1"';
const slice = `${gpu},GPU_I_PROFILE="1g.10gb",GPU_I_ID="7"`;
const ofGpu = {
  job: "dcgm",
  instance: "10.0.0.5:9400",
  node: "gpu-node-1",
  gpu: "0",
  UUID: "GPU-1",
};
const ofSlice = { ...ofGpu, GPU_I_PROFILE: "1g.10gb", GPU_I_ID: "7" };
const startingPod = 'namespace="triton",pod="triton-gpu-1"';
const prometheus = 'job="prometheus",instance="localhost:9090"';
const ofPrometheus = { job: "prometheus", instance: "localhost:9090" };
const ofEmbed = { server: "gpu", model: "embed" };
const ofChat = { server: "llm", model: "chat" };

/** Of 1000 calls in 15 s so many fail, for an hour and a half. */
function failing(count: number): Series {
  return {
    [`nv_inference_request_success{${embed}}`]: `0+${String(1000 - count)}x360`,
    [`nv_inference_request_failure{${embed},reason="BACKEND"}`]: `0+${String(count)}x360`,
    [`nv_inference_request_failure{${embed},reason="CANCELED"}`]: "0+500x360",
  };
}

/** Quantiles in µs, by name; those that are not given are quick. Calls go on for an hour and a half. */
function timed(slow: readonly string[]): Series {
  const quantiles = ["0.5", "0.8", "0.9", "0.95", "0.98", "0.99"].map((quantile): [string, string] => [
    `nv_inference_request_summary_us{${embed},quantile="${quantile}"}`,
    `${slow.includes(quantile) ? "60000" : "20000"}x360`,
  ]);
  return { ...Object.fromEntries(quantiles), [`nv_inference_request_success{${embed}}`]: "0+1000x360" };
}

export const alertCases: readonly AlertCase[] = [
  {
    alert: "TritonTargetDown",
    at: "3m",
    firing: { [`up{${triton}}`]: "0x20", [`up{${balancer}}`]: "1x20" },
    says: [
      {
        labels: { job: "triton", instance: "10.0.0.1:8002", server: "gpu", replica: "gpu-0" },
        summary: "triton at 10.0.0.1:8002 (gpu-0) has given no metrics for two minutes",
      },
    ],
    silent: { [`up{${triton}}`]: "1x4 0x4 1x12", 'up{job="triton",namespace="another"}': "0x20" },
  },
  {
    alert: "TritonBalancerDown",
    at: "3m",
    firing: { [`up{${balancer}}`]: "0x20" },
    says: [{ labels: {}, summary: "No balancer gives metrics: calls reach no model" }],
    silent: { [`up{${balancer}}`]: "0x20", 'up{job="haproxy",instance="b",namespace="triton"}': "1x20" },
  },
  {
    alert: "TritonNoReadyReplica",
    at: "3m",
    firing: {
      [`haproxy_backend_active_servers{${balancer},proxy="http-gpu"}`]: "0x20",
      [`haproxy_backend_active_servers{${balancer},proxy="http-llm"}`]: "2x20",
    },
    says: [
      { labels: { server: "gpu" }, summary: "No replica of gpu is ready: every call to its models fails" },
    ],
    silent: {
      [`haproxy_backend_active_servers{${balancer},proxy="http-gpu"}`]: "0x20",
      'haproxy_backend_active_servers{job="haproxy",instance="b",namespace="triton",proxy="http-gpu"}':
        "1x20",
    },
  },
  {
    alert: "TritonReplicaFlapping",
    at: "20m",
    firing: {
      [`haproxy_server_check_up_down_total{${balancer},proxy="http-gpu",server="gpu-1"}`]:
        "0x20 1x10 2x10 3x10 4x60",
    },
    says: [
      {
        labels: { proxy: "http-gpu", replica: "gpu-1" },
        summary:
          "gpu-1 was lost to the balancer 4 times in 15 minutes: it dies, or stops answering, again and again",
      },
    ],
    silent: {
      [`haproxy_server_check_up_down_total{${balancer},proxy="http-gpu",server="gpu-1"}`]: "0x20 1x90",
    },
  },
  {
    alert: "TritonFailureRatio",
    at: "10m",
    firing: failing(80),
    says: [{ labels: ofEmbed, summary: "8% of the calls to embed on gpu failed in the last five minutes" }],
    silent: failing(20),
  },
  {
    alert: "TritonQueueTime",
    at: "15m",
    firing: {
      [`nv_inference_queue_duration_us{${embed}}`]: "0+40000000x90",
      [`nv_inference_request_success{${embed}}`]: "0+1000x90",
    },
    says: [
      {
        labels: ofEmbed,
        summary: "Requests wait 40ms in the queue of embed on gpu, in the mean of five minutes",
      },
    ],
    silent: {
      [`nv_inference_queue_duration_us{${embed}}`]: "0+20000000x90",
      [`nv_inference_request_success{${embed}}`]: "0+1000x90",
    },
  },
  {
    alert: "TritonPendingRequests",
    at: "5m",
    firing: {
      [`nv_inference_pending_request_count{${embed}}`]: "300x30",
      [`llm_calls_waiting{${llm}}`]: "150x30",
    },
    says: [
      { labels: ofEmbed, summary: "300 requests wait for embed on each replica of gpu" },
      { labels: ofChat, summary: "150 requests wait for chat on each replica of llm" },
    ],
    silent: {
      [`nv_inference_pending_request_count{${embed}}`]: "300x4 0x30",
      [`llm_calls_waiting{${llm}}`]: "90x30",
    },
  },
  {
    alert: "TritonModelLoadSlow",
    at: "2m",
    firing: { [`nv_model_load_duration_secs{${embed}}`]: "45x20" },
    says: [
      {
        labels: ofEmbed,
        summary:
          "embed took 45s to load on gpu: more than half of what a start may take before it counts as failed",
      },
    ],
    silent: { [`nv_model_load_duration_secs{${embed}}`]: "20x20" },
  },
  {
    alert: "TritonAvailabilityBurn",
    at: "75m",
    firing: failing(20),
    says: [
      {
        labels: ofEmbed,
        summary: "embed on gpu fails 2% of its calls: its error budget of 30 days is gone within days",
      },
    ],
    silent: failing(5),
  },
  {
    alert: "TritonAvailabilityBurnSlow",
    at: "75m",
    firing: failing(5),
    says: [
      {
        labels: ofEmbed,
        summary: "embed on gpu fails 0.5% of its calls: it will not keep its availability over 30 days",
      },
    ],
    silent: { ...failing(0), [`nv_inference_request_failure{${embed},reason="CANCELED"}`]: "0+500x360" },
  },
  {
    alert: "TritonLatencyBurn",
    at: "75m",
    firing: timed(["0.8", "0.9", "0.95", "0.98", "0.99"]),
    says: [
      {
        labels: ofEmbed,
        summary: "At least 20% of the answers of embed on gpu are slower than its objective, where 1% may be",
      },
    ],
    silent: timed(["0.95", "0.98", "0.99"]),
  },
  {
    alert: "TritonLatencyBurnSlow",
    at: "75m",
    firing: {
      ...timed(["0.95", "0.98", "0.99"]),
      [`llm_request_seconds_count{${llm}}`]: "0+100x360",
      [`llm_request_seconds_bucket{${llm},le="30"}`]: "0+96x360",
      [`llm_request_seconds_bucket{${llm},le="60"}`]: "0+100x360",
    },
    says: [
      {
        labels: ofEmbed,
        summary:
          "At least 5% of the answers of embed on gpu are slower than its objective, where 1% may be over 30 days",
      },
      {
        labels: ofChat,
        summary:
          "At least 4% of the answers of chat on llm are slower than its objective, where 1% may be over 30 days",
      },
    ],
    silent: {
      ...timed([]),
      [`llm_request_seconds_count{${llm}}`]: "0+1000x360",
      [`llm_request_seconds_bucket{${llm},le="30"}`]: "0+995x360",
    },
  },
  {
    alert: "TritonLlmBreakerOpen",
    at: "4m",
    firing: { [`llm_breaker_state{${llm}}`]: "0 2 1 2 2 1 2 2 1 2 2 1 2 2 1 2 2" },
    says: [
      {
        labels: { ...ofChat, replica: "llm-0" },
        summary:
          "The circuit breaker of chat on llm-0 is open: its LLM API fails, and calls are refused at once",
      },
    ],
    silent: { [`llm_breaker_state{${llm}}`]: "0 2 1 0x20" },
  },
  {
    alert: "TritonLlmBadKey",
    at: "6m",
    firing: { [`llm_requests_total{${llm},outcome="LLM_UNAUTHORIZED"}`]: "0+1x40" },
    says: [
      {
        labels: ofChat,
        summary: "The LLM API refused the key of chat 20 times in five minutes (401 or 403)",
      },
    ],
    silent: {
      [`llm_requests_total{${llm},outcome="LLM_UNAUTHORIZED"}`]: "7x40",
      [`llm_requests_total{${llm},outcome="LLM_UPSTREAM_ERROR"}`]: "0+1x40",
    },
  },
  {
    alert: "TritonLlmSpend",
    at: "60m",
    firing: { [`llm_cost_usd_total{${llm}}`]: "0+0.25x240" },
    says: [
      {
        labels: { model: "chat" },
        summary: "chat cost 60.00 US dollars in 24 hours, of 50.00 that it may",
      },
    ],
    silent: { [`llm_cost_usd_total{${llm}}`]: "0+0.2x240" },
  },
  {
    alert: "TritonGpuMetricsDown",
    at: "6m",
    firing: { 'up{job="dcgm",instance="10.0.0.5:9400",node="gpu-node-1"}': "0x30" },
    says: [
      {
        labels: { job: "dcgm", instance: "10.0.0.5:9400", node: "gpu-node-1" },
        summary: "DCGM's exporter on gpu-node-1 has given no metrics for five minutes: its GPUs are unseen",
      },
    ],
    silent: { 'up{job="dcgm",instance="10.0.0.5:9400",node="gpu-node-1"}': "1x30" },
  },
  {
    alert: "TritonGpuMemory",
    at: "6m",
    firing: { [`DCGM_FI_DEV_FB_USED{${slice}}`]: "9700x30", [`DCGM_FI_DEV_FB_FREE{${slice}}`]: "300x30" },
    says: [
      {
        labels: ofSlice,
        summary: "97% of the memory of GPU 0 (MIG 1g.10gb 7) of gpu-node-1 is used",
      },
    ],
    silent: { [`DCGM_FI_DEV_FB_USED{${gpu}}`]: "70000x30", [`DCGM_FI_DEV_FB_FREE{${gpu}}`]: "11000x30" },
  },
  {
    alert: "TritonGpuTemperature",
    at: "6m",
    firing: { [`DCGM_FI_DEV_GPU_TEMP{${gpu}}`]: "91x30" },
    says: [{ labels: ofGpu, summary: "GPU 0 of gpu-node-1 has 91 °C" }],
    silent: { [`DCGM_FI_DEV_GPU_TEMP{${gpu}}`]: "91x10 80x20" },
  },
  {
    alert: "TritonGpuXid",
    at: "5m",
    firing: { [`DCGM_FI_DEV_XID_ERRORS{${gpu}}`]: "0x10 79x10" },
    says: [{ labels: ofGpu, summary: "GPU 0 of gpu-node-1 reported XID 79" }],
    // The last error's number stays for ever.
    silent: { [`DCGM_FI_DEV_XID_ERRORS{${gpu}}`]: "31x30" },
  },
  {
    alert: "TritonGpuEcc",
    at: "5m",
    firing: {
      [`DCGM_FI_DEV_ROW_REMAP_FAILURE{${gpu}}`]: "1x20",
      [`DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{${gpu}}`]: "0x20",
    },
    says: [
      {
        labels: ofGpu,
        summary:
          "GPU 0 of gpu-node-1 had memory errors that could not be corrected, or has no rows left to put in their place (1)",
      },
    ],
    silent: {
      [`DCGM_FI_DEV_ROW_REMAP_FAILURE{${gpu}}`]: "0x20",
      [`DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{${gpu}}`]: "3x20",
    },
  },
  {
    alert: "TritonGpuThrottling",
    at: "20m",
    firing: {
      [`DCGM_FI_DEV_THERMAL_VIOLATION{${gpu}}`]: "0+3000000000x90",
      [`DCGM_FI_DEV_POWER_VIOLATION{${gpu}}`]: "0+1500000000x90",
    },
    says: [
      { labels: ofGpu, summary: "GPU 0 of gpu-node-1 is slowed down 30% of the time, for heat or for power" },
    ],
    silent: {
      [`DCGM_FI_DEV_THERMAL_VIOLATION{${gpu}}`]: "0+750000000x90",
      [`DCGM_FI_DEV_POWER_VIOLATION{${gpu}}`]: "0x90",
    },
  },
  {
    alert: "TritonRestartLoop",
    at: "16m",
    firing: {
      'kube_pod_container_status_restarts_total{namespace="triton",pod="triton-gpu-1",container="triton"}':
        "0x20 1x10 2x10 3x10 4x60",
    },
    says: [
      {
        labels: { pod: "triton-gpu-1", container: "triton" },
        summary: "The container triton of triton-gpu-1 was started again 4 times in 15 minutes",
      },
    ],
    silent: {
      'kube_pod_container_status_restarts_total{namespace="triton",pod="triton-gpu-1",container="triton"}':
        "0x20 1x90",
      'kube_pod_container_status_restarts_total{namespace="triton",pod="another-1",container="x"}': "0+1x110",
    },
  },
  {
    alert: "TritonModelStoreDenied",
    at: "10m",
    firing: {
      'kube_pod_init_container_status_restarts_total{namespace="triton",pod="triton-gpu-1",container="loader"}':
        "0x10 1x10 2x60",
    },
    says: [
      {
        labels: { pod: "triton-gpu-1", container: "loader" },
        summary:
          "The loader of triton-gpu-1 gave up 2 times in 15 minutes: the model store denies access, or lacks what it must have",
      },
    ],
    silent: {
      'kube_pod_init_container_status_restarts_total{namespace="triton",pod="triton-gpu-1",container="loader"}':
        "2x60",
    },
  },
  {
    alert: "TritonStartFails",
    at: "10m",
    firing: {
      [`kube_pod_container_status_restarts_total{${startingPod},container="triton"}`]: "0x10 1x10 2x60",
      [`kube_pod_container_status_last_terminated_reason{${startingPod},container="triton",reason="Error"}`]:
        "_x10 1x70",
      [`kube_pod_status_ready{${startingPod},condition="true"}`]: "0x80",
      [`kube_pod_status_ready{${startingPod},condition="false"}`]: "1x80",
    },
    says: [
      {
        labels: { pod: "triton-gpu-1", container: "triton" },
        summary:
          "Triton of triton-gpu-1 ended 2 times in an hour before it was ready: a model does not load, or the store that Triton itself reads (delivery: triton) denies access",
      },
    ],
    silent: {
      // It has served, and died.
      [`kube_pod_container_status_restarts_total{${startingPod},container="triton"}`]: "0x10 1x10 2x60",
      [`kube_pod_container_status_last_terminated_reason{${startingPod},container="triton",reason="Error"}`]:
        "_x10 1x70",
      [`kube_pod_status_ready{${startingPod},condition="true"}`]: "1x10 0x70",
      // Another has too little memory.
      'kube_pod_container_status_restarts_total{namespace="triton",pod="triton-gpu-2",container="triton"}':
        "0x10 1x70",
      'kube_pod_container_status_last_terminated_reason{namespace="triton",pod="triton-gpu-2",container="triton",reason="OOMKilled"}':
        "_x10 1x70",
      'kube_pod_status_ready{namespace="triton",pod="triton-gpu-2",condition="true"}': "0x80",
    },
  },
  {
    alert: "TritonCertificateExpiry",
    at: "70m",
    firing: {
      // 20 days after the beginning of promtool's time.
      'certmanager_certificate_expiration_timestamp_seconds{namespace="triton",name="triton-tls"}':
        "1732200x300",
    },
    says: [{ labels: { name: "triton-tls" }, summary: "The certificate triton-tls ends in 20d 0h 0m 0s" }],
    silent: {
      'certmanager_certificate_expiration_timestamp_seconds{namespace="triton",name="triton-tls"}':
        "2600000x300",
      'probe_ssl_earliest_cert_expiry{instance="https://triton.example.com"}': "2600000x300",
    },
  },
  {
    alert: "TritonPrometheusRuleFailures",
    at: "6m",
    firing: {
      [`prometheus_rule_evaluation_failures_total{${prometheus},rule_group="/etc/triton.yml;triton-rates"}`]:
        "0+1x40",
    },
    says: [
      {
        labels: { instance: "localhost:9090", rule_group: "/etc/triton.yml;triton-rates" },
        summary:
          "Prometheus at localhost:9090 failed 20 evaluations of /etc/triton.yml;triton-rates in five minutes: alerts are missing",
      },
    ],
    silent: {
      [`prometheus_rule_evaluation_failures_total{${prometheus},rule_group="/etc/another.yml;others"}`]:
        "0+1x40",
    },
  },
  {
    alert: "TritonPrometheusReloadFailed",
    at: "6m",
    firing: { [`prometheus_config_last_reload_successful{${prometheus}}`]: "0x40" },
    says: [
      {
        labels: ofPrometheus,
        summary: "Prometheus at localhost:9090 refuses its configuration, and goes on with the last one",
      },
    ],
    silent: { [`prometheus_config_last_reload_successful{${prometheus}}`]: "0x8 1x40" },
  },
  {
    alert: "TritonPrometheusNotIngesting",
    at: "15m",
    firing: { [`prometheus_tsdb_head_samples_appended_total{${prometheus}}`]: "900x90" },
    says: [
      {
        labels: { instance: "localhost:9090" },
        summary: "Prometheus at localhost:9090 takes in no samples: nothing is watched",
      },
    ],
    silent: { [`prometheus_tsdb_head_samples_appended_total{${prometheus}}`]: "0+900x90" },
  },
];
