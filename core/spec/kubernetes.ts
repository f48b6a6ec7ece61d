import * as z from "zod";
import { withoutCredentials } from "./s3-object.ts";
import { duration, size } from "./units.ts";

/** What a stack's config says about a Kubernetes cluster: `triton-platform:kubernetes`. */

export const kubernetesName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "this is no name in Kubernetes: use lower-case letters, digits and -, at most 63",
  );

/**
 * Of an object that somebody else makes: a Secret, a claim. Source: Kubernetes, "Object Names and IDs", DNS subdomain
 * names (RFC 1123).
 */
export const existingName = z
  .string()
  .max(253, "this is no name in Kubernetes: use at most 253 characters")
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    "this is no name in Kubernetes: use lower-case letters, digits, - and ., with a letter or digit at the ends and beside each dot",
  );

const annotations = z.record(z.string().min(1), z.string());
export const labels = z.record(z.string().min(1), z.string()).refine((all) => Object.keys(all).length > 0, {
  error: "this selects everything: name at least one label",
});

const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: "this is no CIDR: write it like 10.0.0.0/8" });

/** `repository`, `registry:5000/folder/repository`. Source: distribution/reference, `reference.go`, Grammar. */
const imageRepository = String.raw`([\w.-]+(:\d+)?/)?[a-z0-9._/-]+`;

/** A container image: with a tag that is not `latest`, or a digest, so that what runs is what was reviewed. */
export const imageReference = z
  .string()
  .regex(
    new RegExp(String.raw`^${imageRepository}(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$`),
    "this is no image: write it like registry.example.com/triton:26.07, without blanks and https://",
  )
  .refine((image) => /@sha256:[0-9a-f]{64}$/.test(image) || /:(?!latest$)[\w][\w.-]{0,127}$/.test(image), {
    error: "this image is not pinned: end it with a tag other than latest, or with @sha256:…",
  });

const imagesSchema = z.strictObject({
  /** Triton's. Default: NVIDIA's of `tritonRelease`, the variant that has the server's backends. */
  triton: imageReference.optional(),
  haproxy: imageReference.default("docker.io/library/haproxy:3.2.22"),
  /** What brings models to the pods: any image with rclone, sh and sha256sum. */
  loader: imageReference.default("docker.io/rclone/rclone:1.71.2"),
  /** What headroom pods run: it does nothing. */
  pause: imageReference.default("registry.k8s.io/pause:3.10.1"),
});

/** In a bucket, a volume or an image, without slashes at its ends. */
export const folder = z
  .string()
  .regex(
    /^[\w.=@-]+(\/[\w.=@-]+)*$/,
    "this is no folder: use letters, digits and . _ = @ -, with slashes between folders and not at the ends",
  )
  .refine((path) => path.split("/").every((part) => part !== "." && part !== ".."), {
    error: "this leads out of its place: write it without . and ..",
  });

/** A second, of a download: 0 would take for ever. */
export const rate = size.refine((bytes) => bytes > 0, {
  error: "nothing ever comes at this rate: write more than 0",
});

const s3Endpoint = z.url({ protocol: /^https?$/ }).refine(withoutCredentials, {
  error: "credentials are no part of the config: name a Secret in credentialsSecret, and remove them here",
});

const objectStoreFields = z.strictObject({
  source: z.literal("s3"),
  /** With what S3s other than Amazon's take too. */
  bucket: z
    .string()
    .regex(/^[\w.-]{3,63}$/, "this is no bucket: use 3 to 63 letters, digits and . _ -, without a folder"),
  /** Folder in the bucket, without slashes at its ends. */
  prefix: folder.default("triton"),
  region: z.string().min(1).default("us-east-1"),
  /** Another S3 than Amazon's, as pods reach it, like https://minio.storage.svc:9000. */
  endpoint: s3Endpoint.optional(),
  /** The same S3 as the machine that deploys reaches it. Default: `endpoint`. */
  deployEndpoint: s3Endpoint.optional(),
  /**
   * Who brings models to the pods' disks: the loader, which fetches files in parallel and verifies each, or Triton,
   * which reads a whole tree by `s3://` and verifies nothing.
   */
  delivery: z.enum(["loader", "triton"]).default("loader"),
  /** Bytes a second that a pod gets at least: how long a download may take comes from it. */
  downloadRate: rate.default(50 * 1024 ** 2),
  /** An existing Secret whose key `credentials` is a file in AWS's format; none where pods have a role of their own. */
  credentialsSecret: existingName.optional(),
  /** Annotations of the servers' ServiceAccounts: `eks.amazonaws.com/role-arn`. */
  serviceAccountAnnotations: annotations.default({}),
  /**
   * Repositories of a server that stay in the bucket besides the current one, for a way back. Every one that was
   * published counts, also one whose update failed: keep a few more than you would go back.
   */
  retain: z.int().min(0).max(1_000).default(10),
});

const objectStoreSchema = objectStoreFields.refine(
  ({ endpoint, deployEndpoint }) => deployEndpoint === undefined || endpoint !== undefined,
  {
    path: ["deployEndpoint"],
    error: "this is another way to `endpoint`, which is missing: name the endpoint that pods use too",
  },
);

const claimSchema = z.strictObject({
  source: z.literal("persistentVolumeClaim"),
  /** An existing claim, readable by many; `npm run publish -- <folder>` fills the volume. */
  claimName: existingName,
  /** Folder on the volume. */
  path: folder.optional(),
  downloadRate: rate.default(50 * 1024 ** 2),
});

const imageVolumeSchema = z.strictObject({
  source: z.literal("image"),
  /** An image of files alone, made of what `npm run publish -- <folder>` writes. */
  reference: imageReference,
  /** Folder in the image. */
  path: folder.optional(),
  downloadRate: rate.default(200 * 1024 ** 2),
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

export const balancerSchema = z.strictObject({
  replicas: z.int().min(1).max(50).default(2),
  /** Cores of one replica; HAProxy runs a thread on each, and has at most 64. */
  cpu: z.number().min(0.1).max(64).default(2),
  memory: size
    .refine((bytes) => bytes >= 64 * 1024 ** 2, {
      error: "HAProxy would not start with so little: write at least 64MiB",
    })
    .default(512 * 1024 ** 2),
  /**
   * gRPC ports that lead to one server each, by the server's name: 1024 to 65535. Without one, clients name the server by
   * the metadata `x-triton-server`. A port stays its server's, whatever other servers come and go.
   */
  grpcPorts: z.record(z.string().min(1), z.int().min(1024).max(65535)).default({}),
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
  tls: z.strictObject({ secretName: existingName }).optional(),
  /** An existing Secret whose key `ca.crt` holds the authorities of clients' certificates (mTLS). */
  clientCertificates: z.strictObject({ secretName: existingName }).optional(),
  /** Who may call. Left out: everybody who reaches the balancer. */
  apiKeys: z.array(callerSchema).min(1).optional(),
  /**
   * Of each caller, over all replicas of the balancer together: each counts for itself and lets its share through.
   * Without keys and certificates a caller is an address, in IPv6 a network of 64 bits.
   */
  rateLimit: rateLimitSchema.optional(),
  /** Limits of single callers, by name. */
  rateLimits: z.record(z.string().min(1), rateLimitSchema).default({}),
  /** Of an HTTP request's body, and of a gRPC call's first message; bodies that are compressed are refused. */
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

/** What is called besides the internet: at addresses inside private ranges, or in pods of this cluster. */
const calledSchema = z
  .strictObject({
    /** Of machines and, with some network plugins, of pods: Cilium counts no pod among addresses. */
    cidrs: z.array(cidr).min(1).optional(),
    /** Labels of pods' namespace; the platform's own where only `pods` is given. */
    namespace: labels.optional(),
    /** Labels of the pods; all of the namespace where left out. */
    pods: labels.optional(),
    /** Of the machine or the pod, where a Service has another one. */
    port: z.int().min(1).max(65535),
  })
  .refine(({ cidrs, namespace, pods }) => [cidrs, namespace, pods].some((given) => given !== undefined), {
    error: "this opens nothing: name cidrs, or the labels of a namespace or of pods",
  });

const networkPoliciesSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Addresses that may call the balancer. Default: every address. */
  clients: z.array(cidr).min(1).default(["0.0.0.0/0", "::/0"]),
  /** Who reads metrics. */
  prometheus: podsSchema.prefault({}),
  /** The object store where it is inside: MinIO, an S3 interface endpoint. */
  objectStore: calledSchema.optional(),
  /** What LLM servers may call besides the internet's port 443: a proxy, an API of one's own. */
  upstream: calledSchema.optional(),
  /** The cluster's DNS where it is not kube-system's `k8s-app: kube-dns`: its addresses. */
  dns: z.array(cidr).default([]),
});

const chartSchema = z.strictObject({
  /** URL of a chart repository, `oci://…`, or a folder with unpacked charts, as in `./charts`, relative to the project. */
  repository: z.string().min(1),
  chart: z.string().min(1),
  version: z.string().min(1),
  /** What comes over this platform's own values. */
  values: z.record(z.string(), z.unknown()).default({}),
});

/** A chart of an add-on: pinned here, replaceable for clusters without the internet. */
export function chart(repository: string, name: string, version: string): z.ZodPrefault<typeof chartSchema> {
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
  /** Whether that namespace is made here, with the privileged pod standard; else it is there already. */
  createNamespace: z.boolean().default(true),
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

/** A value in a store of secrets. */
const storedValueSchema = z.strictObject({
  key: z.string().min(1),
  property: z.string().min(1).optional(),
});

const externalSecretsFields = z.strictObject({
  /** Of External Secrets: a store that is there. */
  store: z
    .strictObject({
      name: existingName,
      kind: z.enum(["SecretStore", "ClusterSecretStore"]).default("ClusterSecretStore"),
    })
    .optional(),
  /** A store to be made here: AWS Secrets Manager, read by a role that a ServiceAccount of this namespace takes (IRSA). */
  aws: z.strictObject({ region: z.string().min(1), roleArn: z.string().startsWith("arn:") }).optional(),
  refreshInterval: duration.default(3_600_000_000),
  /** Where HolySheep's key lies in the store. Needed where models call it. */
  holysheepApiKey: storedValueSchema.optional(),
  /**
   * Where the balancer's API keys lie: a text with the sha256 of a key and its caller in each line. Then they may change
   * there, and `balancer.apiKeys` is not looked at. Default: the config's own.
   */
  apiKeys: storedValueSchema.optional(),
});

const externalSecretsSchema = externalSecretsFields.refine(
  ({ store, aws }) => (store === undefined) !== (aws === undefined),
  { error: "secrets come from either a `store` that is there or one on `aws`: write one of them" },
);

const serverImageSchema = z.strictObject({
  /** Repository the image is pushed to, without a tag. */
  repository: z
    .string()
    .regex(
      // The provider of @pulumi/docker takes no short names.
      /^(localhost|[\w-]+[.:][\w.:-]+)\//,
      "name its registry: write it like registry.example.com/triton",
    )
    .regex(new RegExp(`^${imageRepository}$`), "write it like registry.example.com/triton, without a tag"),
  /** pip requirements with hashes or pinned versions, relative to the project. */
  requirements: z.string().min(1),
});

/** As it is written: what a target makes itself is not in it. */
export const kubernetesSectionSchema = z.strictObject({
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
  imagePullSecrets: z.array(existingName).default([]),
  /** Where models come from. The target `kubernetes` needs it; on `eks` it is made. */
  repository: z.discriminatedUnion("source", [objectStoreSchema, claimSchema, imageVolumeSchema]).optional(),
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
      z
        .strictObject({
          key: z.string().min(1),
          operator: z.enum(["Exists", "Equal"]).default("Exists"),
          value: z.string().optional(),
          effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
        })
        .refine(({ operator, value }) => operator === "Equal" || value === undefined, {
          path: ["value"],
          error:
            "the operator Exists, the default, has no value: write `operator: Equal`, or remove the value",
        }),
    )
    .default([{ key: "nvidia.com/gpu", operator: "Exists" }]),
});

/** With all that a cluster's plan is made of. */
export const kubernetesSchema = kubernetesSectionSchema.required({ repository: true });

export type KubernetesSection = Readonly<z.output<typeof kubernetesSectionSchema>>;
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
    targetQueueTime: duration
      .refine((target) => target > 0, { error: "no load is below this: write more than 0" })
      .default(50_000),
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
