import { z } from "zod";
import { duration, size } from "./units.ts";

/** What a stack's config says about a Kubernetes cluster: `triton-platform:kubernetes`. */

const kubernetesName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "this is no name in Kubernetes: use lower-case letters, digits and -, at most 63",
  );

const annotations = z.record(z.string().min(1), z.string());
const labels = z.record(z.string().min(1), z.string()).refine((all) => Object.keys(all).length > 0, {
  error: "this selects everything: name at least one label",
});

const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: "this is no CIDR: write it like 10.0.0.0/8" });

/** A container image: with a tag that is not `latest`, or a digest, so that what runs is what was reviewed. */
const imageReference = z
  .string()
  .refine((image) => /@sha256:[0-9a-f]{64}$/.test(image) || /:(?!latest$)[\w][\w.-]{0,127}$/.test(image), {
    error: "this image is not pinned: end it with a tag other than latest, or with @sha256:…",
  });

const imagesSchema = z.strictObject({
  /** Triton's. Default: NVIDIA's of `tritonRelease`, the variant that has the server's backends. */
  triton: imageReference.optional(),
  haproxy: imageReference.default("docker.io/library/haproxy:3.2.9"),
  /** What brings models to the pods: any image with rclone, sh and sha256sum. */
  loader: imageReference.default("docker.io/rclone/rclone:1.71.2"),
  /** What headroom pods run: it does nothing. */
  pause: imageReference.default("registry.k8s.io/pause:3.10.1"),
});

const objectStoreSchema = z.strictObject({
  source: z.literal("s3"),
  bucket: z.string().min(3).max(63),
  /** Folder in the bucket, without slashes at its ends. */
  prefix: z
    .string()
    .regex(/^[^/]+(\/[^/]+)*$/, "this is no folder: write it without slashes at its ends")
    .default("triton"),
  region: z.string().min(1).default("us-east-1"),
  /** Another S3 than Amazon's, as pods reach it, like https://minio.storage.svc:9000. */
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  /** The same S3 as the machine that deploys reaches it. Default: `endpoint`. */
  deployEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  /**
   * Who brings models to the pods' disks: the loader, which fetches files in parallel and verifies each, or Triton,
   * which reads a whole tree by `s3://` and verifies nothing.
   */
  delivery: z.enum(["loader", "triton"]).default("loader"),
  /** Bytes a second that a pod gets at least: how long a download may take comes from it. */
  downloadRate: size.default(50 * 1024 ** 2),
  /** An existing Secret whose key `credentials` is a file in AWS's format; none where pods have a role of their own. */
  credentialsSecret: kubernetesName.optional(),
  /** Annotations of the servers' ServiceAccounts: `eks.amazonaws.com/role-arn`. */
  serviceAccountAnnotations: annotations.default({}),
  /** Repositories of a server that stay in the bucket besides the current one, for a way back. */
  retain: z.int().min(0).max(1_000).default(10),
});

const claimSchema = z.strictObject({
  source: z.literal("persistentVolumeClaim"),
  /** An existing claim, readable by many; `npm run publish -- <folder>` fills the volume. */
  claimName: kubernetesName,
  /** Folder on the volume. */
  path: z
    .string()
    .regex(/^[^/]+(\/[^/]+)*$/, "write it without slashes at its ends")
    .optional(),
  downloadRate: size.default(50 * 1024 ** 2),
});

const imageVolumeSchema = z.strictObject({
  source: z.literal("image"),
  /** An image of files alone, made of what `npm run publish -- <folder>` writes. */
  reference: imageReference,
  /** Folder in the image. */
  path: z
    .string()
    .regex(/^[^/]+(\/[^/]+)*$/, "write it without slashes at its ends")
    .optional(),
  downloadRate: size.default(200 * 1024 ** 2),
});

const rateLimitSchema = z.strictObject({
  requests: z.int().min(1).max(10_000_000),
  period: duration.default(1_000_000),
});

/** Who calls, as keys and certificates name it: safe in a header, in the log and in haproxy.cfg. */
export const callerName = /^[\w.@-]{1,64}$/;

const callerSchema = z.strictObject({
  /** Who calls with the key. Several keys may have one caller. */
  caller: z.string().regex(callerName, "use letters, digits and . _ @ -, at most 64"),
  /** Of the key, in hexadecimal: `npm run api-key -- <caller>` makes both. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "this is no sha256: 64 hexadecimal digits in lower case"),
});

const balancerSchema = z.strictObject({
  replicas: z.int().min(1).max(50).default(2),
  /** Cores of one replica; HAProxy runs a thread on each. */
  cpu: z.number().positive().default(2),
  memory: size.default(512 * 1024 ** 2),
  service: z
    .strictObject({
      type: z.enum(["ClusterIP", "NodePort", "LoadBalancer"]).default("ClusterIP"),
      annotations: annotations.default({}),
      loadBalancerClass: z.string().min(1).optional(),
      loadBalancerSourceRanges: z.array(cidr).default([]),
      externalTrafficPolicy: z.enum(["Cluster", "Local"]).optional(),
    })
    .prefault({}),
  /** An existing Secret of type kubernetes.io/tls (cert-manager makes such); without it clients talk plain HTTP. */
  tls: z.strictObject({ secretName: kubernetesName }).optional(),
  /** An existing Secret whose key `ca.crt` holds the authorities of clients' certificates (mTLS). */
  clientCertificates: z.strictObject({ secretName: kubernetesName }).optional(),
  /** Who may call. Left out: everybody who reaches the balancer. */
  apiKeys: z.array(callerSchema).min(1).optional(),
  /**
   * Of each caller, over all replicas of the balancer together: each counts for itself and lets its share through.
   * Without keys and certificates a caller is an address.
   */
  rateLimit: rateLimitSchema.optional(),
  /** Limits of single callers, by name. */
  rateLimits: z.record(z.string().min(1), rateLimitSchema).default({}),
  maxBodySize: size.default(64 * 1024 ** 2),
  /**
   * How long what stands before the balancer may still send to a replica that is to go: kube-proxy takes a few
   * seconds, an NLB with ip targets two minutes.
   */
  deregistrationDelay: duration.default(15_000_000),
  /** Whether the load balancer in front sends the PROXY protocol's header, version 2. */
  proxyProtocol: z.boolean().default(false),
});

/** Pods in other namespaces, by labels. */
const podsSchema = z.strictObject({
  /** Labels of their namespace. */
  namespace: labels.default({ "kubernetes.io/metadata.name": "monitoring" }),
  /** Labels of the pods; all of the namespace where left out. */
  pods: labels.optional(),
});

const networkPoliciesSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Addresses that may call the balancer. Default: every address. */
  clients: z.array(cidr).default(["0.0.0.0/0", "::/0"]),
  /** Who reads metrics. */
  prometheus: podsSchema.prefault({}),
  /** Addresses of the object store where it is inside private ranges (MinIO, an S3 interface endpoint), and its port. */
  objectStore: z.strictObject({ cidrs: z.array(cidr).min(1), port: z.int().min(1).max(65535) }).optional(),
  /** Addresses inside private ranges that LLM servers may call, and the port: a proxy, an API of one's own. */
  upstream: z.strictObject({ cidrs: z.array(cidr).min(1), port: z.int().min(1).max(65535) }).optional(),
  /** The cluster's DNS where it is not kube-system's `k8s-app: kube-dns`: its addresses. */
  dns: z.array(cidr).default([]),
});

const chartSchema = z.strictObject({
  /** URL of a chart repository, or `oci://…`. */
  repository: z.string().min(1),
  chart: z.string().min(1),
  version: z.string().min(1),
  /** What comes over this platform's own values. */
  values: z.record(z.string(), z.unknown()).default({}),
});

/** A chart of an add-on: pinned here, replaceable for clusters without the internet. */
function chart(repository: string, name: string, version: string): z.ZodPrefault<typeof chartSchema> {
  return chartSchema.prefault({ repository, chart: name, version });
}

const gpuSchema = z.strictObject({
  /** What makes GPUs schedulable. `none`: the cluster has it already. */
  addon: z.enum(["none", "device-plugin", "gpu-operator"]).default("none"),
  /** How MIG slices are called: by their profile (mixed), or as GPUs (single). */
  migStrategy: z.enum(["mixed", "single"]).default("mixed"),
  /** DCGM's exporter of GPU metrics; the GPU operator brings its own. */
  dcgmExporter: z.boolean().default(false),
  /** Class of pods on GPUs, where NVIDIA's container runtime is not the nodes' default (k3s): `nvidia`. */
  runtimeClassName: kubernetesName.optional(),
  namespace: kubernetesName.default("gpu-addons"),
  devicePlugin: chart("https://nvidia.github.io/k8s-device-plugin", "nvidia-device-plugin", "0.18.2"),
  gpuOperator: chart("https://helm.ngc.nvidia.com/nvidia", "gpu-operator", "v25.10.1"),
  dcgm: chart("https://nvidia.github.io/dcgm-exporter/helm-charts", "dcgm-exporter", "4.8.2"),
});

const autoscalerSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("keda"),
    /** Prometheus as KEDA reaches it. */
    prometheusUrl: z.url({ protocol: /^https?$/ }),
  }),
  /** HPA v2 with metrics that the Prometheus adapter serves; docs/kubernetes.md has its rules. */
  z.strictObject({ kind: z.literal("hpa") }),
]);

const externalSecretsSchema = z.strictObject({
  /** Of External Secrets. */
  store: z.strictObject({
    name: kubernetesName,
    kind: z.enum(["SecretStore", "ClusterSecretStore"]).default("ClusterSecretStore"),
  }),
  refreshInterval: duration.default(3_600_000_000),
  /** Where HolySheep's key lies in the store. */
  holysheepApiKey: z.strictObject({ key: z.string().min(1), property: z.string().min(1).optional() }),
});

const serverImageSchema = z.strictObject({
  /** Repository the image is pushed to, without a tag. */
  repository: z.string().min(1),
  /** pip requirements with hashes or pinned versions, relative to the project. */
  requirements: z.string().min(1),
});

export const kubernetesSchema = z.strictObject({
  /** Default: $KUBECONFIG, else ~/.kube/config. */
  kubeconfig: z.string().min(1).optional(),
  /** Default: the kubeconfig's current one. */
  context: z.string().min(1).optional(),
  namespace: kubernetesName.default("triton"),
  /** Whether the namespace is made here, with the restricted pod standard; else it is there already. */
  createNamespace: z.boolean().default(true),
  images: imagesSchema.prefault({}),
  /** Triton's image with the models' Python packages in it, built here. Default: none is built. */
  serverImage: serverImageSchema.optional(),
  imagePullSecrets: z.array(kubernetesName).default([]),
  repository: z.discriminatedUnion("source", [objectStoreSchema, claimSchema, imageVolumeSchema]),
  balancer: balancerSchema.prefault({}),
  autoscaler: autoscalerSchema.optional(),
  /** The cluster's DNS domain. */
  clusterDomain: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, "this is no domain")
    .default("cluster.local"),
  /** How long the cluster's DNS may hold an answer: the record's TTL or CoreDNS's cache, whichever is longer. */
  dnsTtl: duration.default(30_000_000),
  /** Where secrets come from. Default: the stack's encrypted config. */
  externalSecrets: externalSecretsSchema.optional(),
  networkPolicies: networkPoliciesSchema.prefault({}),
  gpu: gpuSchema.prefault({}),
  /** Default: GPU nodes' taint `nvidia.com/gpu`, whatever its value. */
  tolerations: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        operator: z.enum(["Exists", "Equal"]).default("Exists"),
        value: z.string().optional(),
        effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
      }),
    )
    .default([{ key: "nvidia.com/gpu", operator: "Exists" }]),
});

export type KubernetesConfig = Readonly<z.output<typeof kubernetesSchema>>;
export type RepositorySource = KubernetesConfig["repository"];
export type ObjectStore = Extract<RepositorySource, { source: "s3" }>;
export type BalancerConfig = KubernetesConfig["balancer"];
export type NetworkPoliciesConfig = KubernetesConfig["networkPolicies"];
export type ChartConfig = z.output<typeof chartSchema>;
export type AutoscalerConfig = NonNullable<KubernetesConfig["autoscaler"]>;

/** When a server group gets more replicas and fewer: a field of each server. */
export const autoscalingSchema = z
  .strictObject({
    /** 0 lets the group go to sleep; only KEDA can wake it, and calls fail until it is awake. */
    minReplicas: z.int().min(0).max(100).default(1),
    maxReplicas: z.int().min(1).max(100),
    /** Mean time a request waits in a model's queue, or requests that wait, per replica. */
    metric: z.enum(["queueTime", "pendingRequests"]).default("queueTime"),
    /** Of `queueTime`. */
    targetQueueTime: duration.default(50_000),
    /** Of `pendingRequests`. */
    targetPendingRequests: z.int().min(1).default(16),
    /** Load must be low this long before replicas go. */
    scaleDownStabilization: duration.default(300_000_000),
    /** Replicas whose room is kept free by pods of low priority, so that scaling does not wait for a node. */
    headroom: z.int().min(0).max(20).default(0),
  })
  .refine(({ minReplicas, maxReplicas }) => minReplicas <= maxReplicas, {
    path: ["maxReplicas"],
    error: "maxReplicas is less than minReplicas: write a number that is at least as big",
  });

export type AutoscalingConfig = Readonly<z.output<typeof autoscalingSchema>>;
