import type { PolicyResource } from "../../core/policy/rule.ts";
import { object } from "./policy.ts";

/** Workloads that no rule has anything against, for tests to change. */

const digest = `@sha256:${"0".repeat(64)}`;
const labels = {
  "app.kubernetes.io/name": "triton-server",
  "app.kubernetes.io/instance": "gpu",
  "app.kubernetes.io/part-of": "triton-platform",
};

const container = {
  name: "triton",
  image: `nvcr.io/nvidia/tritonserver:26.07-py3${digest}`,
  command: ["tritonserver"],
  args: ["--model-repository=/models", "--model-control-mode=none"],
  env: [{ name: "HOME", value: "/tmp" }],
  ports: [{ containerPort: 8000 }],
  resources: {
    requests: { cpu: "2", memory: "4Gi", "nvidia.com/gpu": "1" },
    limits: { memory: "4Gi", "nvidia.com/gpu": "1" },
  },
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: true,
  },
  startupProbe: { httpGet: { path: "/v2/health/ready", port: 8000 } },
  readinessProbe: { httpGet: { path: "/v2/health/ready", port: 8000 } },
  livenessProbe: { httpGet: { path: "/v2/health/live", port: 8000 } },
  volumeMounts: [{ name: "shm", mountPath: "/dev/shm" }],
};

export const podSpec = ["spec", "template", "spec"] as const;
export const first = [...podSpec, "containers", 0] as const;

/** A server with a GPU. */
export const server: PolicyResource = object(
  "apps/v1",
  "Deployment",
  "triton-gpu",
  {
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1000,
            seccompProfile: { type: "RuntimeDefault" },
          },
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [
                  {
                    matchExpressions: [
                      { key: "nvidia.com/gpu.product", operator: "In", values: ["NVIDIA-A100-SXM4-80GB"] },
                    ],
                  },
                ],
              },
            },
          },
          tolerations: [{ key: "nvidia.com/gpu", operator: "Exists" }],
          topologySpreadConstraints: [
            { topologyKey: "topology.kubernetes.io/zone" },
            { topologyKey: "kubernetes.io/hostname" },
          ],
          containers: [container],
          volumes: [{ name: "shm", emptyDir: { medium: "Memory", sizeLimit: "64Mi" } }],
        },
      },
    },
  },
  { annotations: { "triton-platform/gpu-memory": '{"accelerator":"a100-80gb","used":[1073741824]}' } },
);

export const budget = object("policy/v1", "PodDisruptionBudget", "triton-gpu", {
  spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
});

export const denyAll = object("networking.k8s.io/v1", "NetworkPolicy", "triton-default-deny", {
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
});
