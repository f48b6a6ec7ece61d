import * as z from "zod";
import { balancerSchema, imageReference } from "./kubernetes.ts";
import { duration, size } from "./units.ts";

/** What a stack's config says about a Docker host: `triton-platform:docker`. */

const hostPort = z.int().min(1024).max(65535);

/** By its number, as nvidia-smi counts, or by the UUID of a card or a MIG slice, which stays when cards are added. */
const gpuId = z.union(
  [
    z.int().min(0).max(63),
    z.string().regex(/^(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "this is no UUID of a GPU"),
  ],
  { error: "this is no GPU: write its number, or a UUID as `nvidia-smi -L` shows it" },
);

/** Grafana's, on every target that runs it as a container. Source: kube-prometheus' versions.json, as below. */
export const grafanaImage = imageReference.default("docker.io/grafana/grafana:13.1.3");

/**
 * Defaults are what their projects, or who deploys them together, name as a release.
 * Sources: docker-library/official-images, library/haproxy of August 2026 (3.2 is a long-term branch); prometheus-operator/kube-prometheus,
 * jsonnet/kube-prometheus/versions.json, for Prometheus (3.13 is its long-term release) and Grafana; NVIDIA/dcgm-exporter,
 * deployment/values.yaml of its release 4.5.3-4.8.2, the one of the chart that clusters get.
 */
const imagesSchema = z.strictObject({
  /** Triton's. Default: NVIDIA's of `tritonRelease`, the variant that has the server's backends. */
  triton: imageReference.optional(),
  /** In it bash too, as in Debian's variants: health checks and drains speak with it. */
  haproxy: imageReference.default("docker.io/library/haproxy:3.2.22"),
  prometheus: imageReference.default("docker.io/prom/prometheus:v3.13.2"),
  grafana: grafanaImage,
  dcgmExporter: imageReference.default("nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless"),
});

const portsSchema = z.strictObject({
  /** KServe v2 over HTTP. */
  http: hostPort.default(8000),
  /** gRPC; the server group is chosen by the metadata `x-triton-server`. */
  grpc: hostPort.default(8001),
  /** The balancer's statistics (/stats) and metrics (/metrics). */
  metrics: hostPort.default(8002),
  prometheus: hostPort.default(9090),
  grafana: hostPort.default(3000),
});

const monitoringSchema = z.strictObject({
  prometheus: z.boolean().default(true),
  /** Needs Prometheus. Everybody who reaches its port may look, and nobody may change anything. */
  grafana: z.boolean().default(true),
  /** NVIDIA's exporter of GPU metrics. Default: where a server has GPUs. */
  dcgmExporter: z.boolean().optional(),
  /** How long Prometheus keeps what it has scraped. */
  retention: duration
    .refine((time) => time >= 3_600_000_000, { error: "this is too short: keep an hour at least" })
    .default(15 * 86_400_000_000),
});

export const dockerSchema = z
  .strictObject({
    /**
     * Docker's address: `unix:///path` on this machine, or `ssh://user@machine`, which takes keys and options from
     * ~/.ssh/config.
     */
    host: z
      .string()
      .regex(
        /^(unix:\/\/\/[\w./-]+|ssh:\/\/([\w.-]+@)?[\w.-]+(:\d+)?)$/,
        "this is no address of Docker: write it like ssh://deploy@gpu-1.example.com or unix:///var/run/docker.sock",
      )
      .default("unix:///var/run/docker.sock"),
    images: imagesSchema.prefault({}),
    /** Triton's image with the models' Python packages in it, built on the host. Default: none is built. */
    serverImage: z
      .strictObject({
        /** pip requirements with hashes or pinned versions, relative to the project. */
        requirements: z.string().min(1),
      })
      .optional(),
    /**
     * GPUs of each server, by its name, for all of its replicas: the first replica gets the first `accelerator.count` of
     * them. Default: 0, 1, … in the order of the servers' names.
     */
    gpus: z.record(z.string().min(1), z.array(gpuId).min(1)).default({}),
    /** Size of each Triton's /dev/shm, where the server's `resources.sharedMemory` names no other. */
    sharedMemory: size.default(2 * 1024 ** 3),
    /** Of each Triton; -1 is without a limit. Daemons without the capability SYS_RESOURCE refuse to raise `memlock`. */
    ulimits: z.record(z.string().regex(/^[a-z]+$/), z.int().min(-1)).default({
      memlock: -1,
      stack: 67_108_864,
    }),
    /** Of each Triton (`--log-verbose`): 0 is off. */
    logVerbose: z.int().min(0).max(9).default(0),
    /** Logs of each container are kept up to this: Docker's driver `json-file`. */
    logs: z
      .strictObject({ maxSize: size.default(20 * 1024 ** 2), maxFiles: z.int().min(1).max(100).default(3) })
      .prefault({}),
    /** Address of the host that ports are published on: 0.0.0.0 for all. */
    address: z.ipv4({ error: "this is no IPv4 address: write it like 127.0.0.1" }).default("127.0.0.1"),
    ports: portsSchema.prefault({}),
    balancer: balancerSchema
      .pick({
        cpu: true,
        memory: true,
        grpcPorts: true,
        apiKeys: true,
        rateLimit: true,
        rateLimits: true,
        maxBodySize: true,
      })
      .prefault({}),
    monitoring: monitoringSchema.prefault({}),
    /** Earlier repositories of a server that stay on the host, for a way back (`servers.<name>.rollback`). */
    retain: z.int().min(0).max(100).default(1),
  })
  .refine(({ monitoring }) => monitoring.prometheus || !monitoring.grafana, {
    path: ["monitoring", "grafana"],
    error: "true, and there is no Prometheus for it to show: write `grafana: false` too",
  });

export type DockerConfig = Readonly<z.output<typeof dockerSchema>>;
export type GpuId = DockerConfig["gpus"][string][number];
