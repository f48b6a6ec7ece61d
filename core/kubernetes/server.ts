import type { IScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import type { IRollingUpdateDeployment } from "kubernetes-models/apps/v1";
import type { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import type { IPriorityClass } from "kubernetes-models/scheduling.k8s.io/v1";
import type {
  IAffinity,
  IContainer,
  IEnvVar,
  IPodSpec,
  IProbe,
  IService,
  IServiceAccount,
  IVolume,
  IVolumeMount,
} from "kubernetes-models/v1";
import { mostReplicas } from "../capacity/check.ts";
import { gpuResource, type Accelerator } from "../capacity/catalogue.ts";
import { sharedMemory } from "../capacity/requirements.ts";
import type { Resources } from "../capacity/resources.ts";
import { omit, present } from "../objects.ts";
import { loadedBytes, repositoryBytes, servesAnother, type ServerPlan } from "../platform.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Checked, Problem } from "../spec/problem.ts";
import { formatBytes } from "../spec/units.ts";
import { serverTiming, type ServerTiming } from "../timing/kubernetes.ts";
import { maxInputSize, serverFlags } from "../triton/server-flags.ts";
import {
  autoscalingProblems,
  horizontalPodAutoscaler,
  scaledObject,
  type ScaledServer,
} from "./autoscaling.ts";
import { gpuMemory } from "./gpu-memory.ts";
import { tritonImage, type ImageFacts } from "./images.ts";
import { repositoryDelivery } from "./loader.ts";
import {
  balancerName,
  gpuMemoryAnnotation,
  holysheepSecret,
  objectLabels,
  partOf,
  ports,
  serverObjectName,
  serverSelector,
  upstreamLabel,
  type Selector,
} from "./names.ts";
import {
  byteQuantity,
  containerResources,
  podDisruptionBudget,
  pullSecrets,
  restrictedContainer,
  restrictedPod,
  topologySpread,
  type PodDeployment,
} from "./pod.ts";
import { planRollouts } from "./rollout.ts";

/** One server group's objects of the Kubernetes API. */
export interface ServerObjects {
  readonly serviceAccount: IServiceAccount;
  /** Headless: its name in DNS gives the address of every ready replica. */
  readonly service: IService;
  readonly deployment: PodDeployment;
  /** Undefined for one replica, which a budget could only keep from being moved. */
  readonly podDisruptionBudget?: IPodDisruptionBudget;
  readonly scaledObject?: IScaledObject;
  readonly horizontalPodAutoscaler?: IHorizontalPodAutoscaler;
  /** Pods that keep room for replicas to come. */
  readonly headroom?: PodDeployment;
  readonly timing: ServerTiming;
}

export interface PlannedServer {
  readonly plan: ServerPlan;
  readonly objects: ServerObjects;
}

/** The objects of every group, and what is wrong with the groups. `file` names the stack's config. */
export function planServers(
  servers: readonly ServerPlan[],
  config: PlatformFacts & Pick<PlatformConfig, "nodes">,
  kubernetes: KubernetesConfig,
  file: string,
): Checked<readonly PlannedServer[]> {
  const { value: rollouts, problems: gaps } = planRollouts(servers, config, file);
  return {
    value: rollouts.map(({ server, rollingUpdate }) => ({
      plan: server,
      objects: serverObjects(server, rollingUpdate, config, kubernetes),
    })),
    problems: [
      ...gaps,
      ...autoscalingProblems(servers, kubernetes, file),
      ...servers.flatMap((server) => [...nameProblems(server, file), ...diskProblems(server, file)]),
    ],
  };
}

/** `rollingUpdate` is how its replicas are replaced: see `planRollouts`. */
export function serverObjects(
  server: ServerPlan,
  rollingUpdate: IRollingUpdateDeployment,
  config: PlatformFacts,
  kubernetes: KubernetesConfig,
): ServerObjects {
  const { name } = server;
  const { autoscaling } = server.config;
  const most = mostReplicas(server.config);
  const timing = serverTiming(server.timing, loadedBytes(server), most, kubernetes);
  return {
    serviceAccount: serviceAccount(name, kubernetes),
    service: service(name, kubernetes),
    deployment: deployment(server, rollingUpdate, timing, config, kubernetes),
    timing,
    ...(most > 1
      ? {
          podDisruptionBudget: podDisruptionBudget(
            metadataOf(name, kubernetes.namespace),
            serverSelector(name),
          ),
        }
      : {}),
    ...(autoscaling === undefined
      ? {}
      : autoscaler({ name, namespace: kubernetes.namespace, autoscaling, timing }, kubernetes)),
    ...(autoscaling === undefined || autoscaling.headroom === 0
      ? {}
      : { headroom: headroom(server, autoscaling.headroom, kubernetes) }),
  };
}

/**
 * Of headroom pods, cluster-wide: every other pod takes their place, and they take nobody's. −10 is the lowest priority
 * for which the Cluster Autoscaler still starts nodes (its `--expendable-pods-priority-cutoff`).
 */
export function headroomPriorityClass(namespace: string): IPriorityClass {
  return {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: headroomPriorityClassName(namespace), labels: { ...objectLabels(partOf) } },
    value: -10,
    globalDefault: false,
    preemptionPolicy: "Never",
    description: "Pods that keep room for replicas of Triton, and give way to them",
  };
}

type PlatformFacts = ImageFacts & Pick<PlatformConfig, "holysheep">;

function serviceAccount(server: string, { namespace, repository }: KubernetesConfig): IServiceAccount {
  const annotations = repository.source === "s3" ? repository.serviceAccountAnnotations : {};
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { ...metadataOf(server, namespace), annotations },
    // Nothing here talks to the API server; where a role of a cloud is bound to the account, its webhook adds a token.
    automountServiceAccountToken: false,
  };
}

function service(server: string, { namespace }: KubernetesConfig): IService {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadataOf(server, namespace),
    spec: {
      clusterIP: "None",
      selector: { ...serverSelector(server) },
      publishNotReadyAddresses: false,
      ports: tritonPorts.map(({ name, port }) => ({ name, port, targetPort: name, protocol: "TCP" })),
    },
  };
}

const tritonPorts = [
  { name: "http", port: ports.http },
  { name: "grpc", port: ports.grpc },
  { name: "metrics", port: ports.metrics },
] as const;

function autoscaler(
  server: ScaledServer,
  { autoscaler: kind }: KubernetesConfig,
): Pick<ServerObjects, "scaledObject" | "horizontalPodAutoscaler"> {
  switch (kind?.kind) {
    case "keda":
      return { scaledObject: scaledObject(server, kind) };
    case "hpa":
      return { horizontalPodAutoscaler: horizontalPodAutoscaler(server) };
    // A problem: see autoscalingProblems.
    case undefined:
      return {};
  }
}

function deployment(
  server: ServerPlan,
  rollingUpdate: IRollingUpdateDeployment,
  timing: ServerTiming,
  config: PlatformFacts,
  kubernetes: KubernetesConfig,
): PodDeployment {
  const selector = serverSelector(server.name);
  const { autoscaling, rollback } = server.config;
  const hash = rollback ?? server.repository.hash;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      ...metadataOf(server.name, kubernetes.namespace),
      annotations: {
        // Replicas that an autoscaler has set are this stack's again once the autoscaler is gone.
        "pulumi.com/patchForce": "true",
        ...present({ [gpuMemoryAnnotation]: gpuMemoryText(server) }),
      },
    },
    spec: {
      // With an autoscaler, those to begin with. It has to be there: under server-side apply the API sets a field that
      // is given up to its default, 1 replica. Later deployments let go of it: components/kubernetes/TritonServer.ts.
      replicas: autoscaling === undefined ? server.replicas : Math.max(1, autoscaling.minReplicas),
      revisionHistoryLimit: revisionHistory(kubernetes),
      minReadySeconds: timing.minReady,
      progressDeadlineSeconds: timing.progressDeadline,
      selector: { matchLabels: { ...selector } },
      strategy: { type: "RollingUpdate", rollingUpdate },
      template: {
        metadata: {
          labels: {
            ...objectLabels(selector),
            ...(server.upstream === undefined ? {} : upstreamLabel),
          },
          // Another repository is another pod: this rolls the group.
          annotations: { "triton-platform/repository": hash },
        },
        spec: serverPod(server, hash, timing, config, kubernetes),
      },
    },
  };
}

function gpuMemoryText(server: ServerPlan): string | undefined {
  const memory = gpuMemory(server);
  return memory && JSON.stringify(memory);
}

/** No more than there are repositories to go back to. */
function revisionHistory({ repository }: KubernetesConfig): number {
  const most = 10;
  return repository.source === "s3" ? Math.min(most, repository.retain) : most;
}

function serverPod(
  server: ServerPlan,
  hash: string,
  timing: ServerTiming,
  config: PlatformFacts,
  kubernetes: KubernetesConfig,
): IPodSpec {
  const { repository, images } = kubernetes;
  // How much an earlier repository holds is not known here.
  const bytes = servesAnother(server) ? undefined : repositoryBytes(server.repository);
  const delivery = repositoryDelivery(repository, hash, images.loader, server.requests, bytes);
  const upstream = server.upstream === undefined ? noParts : holysheepParts(config);
  const scratch = scratchParts(server);
  const container: IContainer = {
    name: "triton",
    image: tritonImage(server, config, kubernetes),
    command: ["tritonserver"],
    args: serverFlags(server, {
      address: "0.0.0.0",
      httpPort: ports.http,
      grpcPort: ports.grpc,
      metricsPort: ports.metrics,
      repository: delivery.repository,
      exitTimeout: timing.exit,
      ...present({ maxInputSize: maxInputSize(config.tritonRelease, kubernetes.balancer.maxBodySize) }),
    }),
    env: [...environment(server), ...upstream.environment, ...delivery.serverEnvironment],
    ports: tritonPorts.map(({ name, port }) => ({ name, containerPort: port, protocol: "TCP" })),
    resources: containerResources(podResources(server, kubernetes)),
    securityContext: restrictedContainer,
    volumeMounts: [...scratch.mounts, ...upstream.mounts, ...delivery.serverMounts],
    ...probes(timing),
    lifecycle: { preStop: { sleep: { seconds: timing.preStop } } },
  };
  return {
    serviceAccountName: serverObjectName(server.name),
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: restrictedPod,
    ...pullSecrets(kubernetes),
    ...placement(server, kubernetes),
    topologySpreadConstraints: topologySpread(serverSelector(server.name)),
    terminationGracePeriodSeconds: timing.terminationGracePeriod,
    ...(delivery.initContainers.length === 0 ? {} : { initContainers: [...delivery.initContainers] }),
    containers: [container],
    volumes: [...scratch.volumes, ...upstream.volumes, ...delivery.volumes],
  };
}

/** What a part of a pod's work adds to it. */
interface Parts {
  readonly environment: readonly IEnvVar[];
  readonly mounts: readonly IVolumeMount[];
  readonly volumes: readonly IVolume[];
}

const noParts: Parts = { environment: [], mounts: [], volumes: [] };

/** Where Triton and its Python processes may write; the limit on ephemeral storage bounds /tmp. */
function scratchParts({ models, config, devices }: ServerPlan): Omit<Parts, "environment"> {
  const sizeLimit = byteQuantity(sharedMemory(models, config.resources, devices));
  return {
    mounts: [
      { name: "shm", mountPath: "/dev/shm" },
      { name: "tmp", mountPath: "/tmp" },
    ],
    volumes: [
      { name: "shm", emptyDir: { medium: "Memory", sizeLimit } },
      { name: "tmp", emptyDir: {} },
    ],
  };
}

/** A mounted folder follows its Secret, unlike a single file (`subPath`): a new key needs no new pod. */
function holysheepParts({ holysheep }: PlatformFacts): Parts {
  const mountPath = "/var/run/secrets/holysheep";
  return {
    environment: [
      { name: "HOLYSHEEP_BASE_URL", value: holysheep.baseUrl },
      { name: "HOLYSHEEP_MODEL", value: holysheep.model },
      { name: "HOLYSHEEP_API_KEY_FILE", value: `${mountPath}/${holysheepSecret.key}` },
    ],
    mounts: [{ name: "holysheep", mountPath, readOnly: true }],
    // For the pod's group alone to read.
    volumes: [{ name: "holysheep", secret: { secretName: holysheepSecret.name, defaultMode: 0o440 } }],
  };
}

function environment({ devices }: ServerPlan): IEnvVar[] {
  return [
    { name: "HOME", value: "/tmp" },
    // A repository is immutable: no compiled Python in it.
    { name: "PYTHONDONTWRITEBYTECODE", value: "1" },
    // NVIDIA's images ask for all GPUs, and get them on nodes whose default runtime is NVIDIA's.
    ...(devices === undefined ? [{ name: "NVIDIA_VISIBLE_DEVICES", value: "void" }] : []),
  ];
}

/**
 * Triton listens once all models are loaded, and is ready then: the startup probe waits for that. A busy server answers
 * late and is not dead: it is killed after a minute without an answer only.
 */
function probes({
  startup,
}: ServerTiming): Pick<IContainer, "startupProbe" | "readinessProbe" | "livenessProbe"> {
  const get = (path: string): IProbe => ({ httpGet: { path, port: "http" } });
  const startupPeriod = 5;
  return {
    startupProbe: {
      ...get("/v2/health/ready"),
      periodSeconds: startupPeriod,
      timeoutSeconds: 5,
      failureThreshold: Math.ceil(startup / startupPeriod),
    },
    readinessProbe: { ...get("/v2/health/ready"), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    livenessProbe: { ...get("/v2/health/live"), periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
  };
}

/** What the scheduler knows a slice by depends on how the cluster's device plugin calls it. */
function podResources({ requests, devices }: ServerPlan, { gpu }: KubernetesConfig): Resources {
  return devices?.accelerator.slice === undefined || gpu.migStrategy === "mixed"
    ? requests
    : { ...omit(requests, devices.accelerator.resource), [gpuResource]: devices.devices };
}

/** The nodes with the group's GPU; a group without one stays away from GPU nodes by their taint. */
function placement(
  { devices }: ServerPlan,
  kubernetes: KubernetesConfig,
): Pick<IPodSpec, "affinity" | "tolerations" | "runtimeClassName"> {
  return devices === undefined
    ? {}
    : {
        ...present({ runtimeClassName: kubernetes.gpu.runtimeClassName }),
        affinity: gpuAffinity(devices.accelerator, kubernetes),
        tolerations: kubernetes.tolerations.map((toleration) => present(toleration)),
      };
}

/**
 * By the label of GPU feature discovery, to which the strategy `single` adds the profile of the slices.
 * Source: k8s-device-plugin, docs/gpu-feature-discovery, "MIG strategy".
 */
function gpuAffinity({ gpu: product, slice, resource }: Accelerator, { gpu }: KubernetesConfig): IAffinity {
  const suffix =
    slice === undefined || gpu.migStrategy === "mixed"
      ? ""
      : `-MIG-${resource.replace(/^nvidia\.com\/mig-/, "")}`;
  const values = product.labels.map((label) => `${label}${suffix}`);
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: "nvidia.com/gpu.product", operator: "In", values }] },
        ],
      },
    },
  };
}

/** Pods that do nothing, ask for what a replica asks for, and give way to one. */
function headroom(server: ServerPlan, replicas: number, kubernetes: KubernetesConfig): PodDeployment {
  const selector: Selector = {
    "app.kubernetes.io/name": "triton-headroom",
    "app.kubernetes.io/instance": server.name,
    ...partOf,
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      // No server's objects begin so.
      name: `headroom-${server.name}`,
      namespace: kubernetes.namespace,
      labels: { ...objectLabels(selector) },
      // They may wait for room for ever: a deployment does not wait for them.
      annotations: { "pulumi.com/skipAwait": "true" },
    },
    spec: {
      replicas,
      revisionHistoryLimit: 0,
      selector: { matchLabels: { ...selector } },
      strategy: { type: "Recreate" },
      template: {
        metadata: { labels: { ...objectLabels(selector) } },
        spec: {
          priorityClassName: headroomPriorityClassName(kubernetes.namespace),
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: restrictedPod,
          ...pullSecrets(kubernetes),
          ...placement(server, kubernetes),
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: "pause",
              image: kubernetes.images.pause,
              resources: containerResources(podResources(server, kubernetes)),
              securityContext: restrictedContainer,
            },
          ],
        },
      },
    },
  };
}

function headroomPriorityClassName(namespace: string): string {
  return `triton-headroom-${namespace}`;
}

function metadataOf(server: string, namespace: string): Metadata {
  return { name: serverObjectName(server), namespace, labels: { ...objectLabels(serverSelector(server)) } };
}

interface Metadata {
  name: string;
  namespace: string;
  labels: Record<string, string>;
}

/** A Service's name has 63 characters at most, as a DNS label. */
const longestName = 63;

function nameProblems({ name }: ServerPlan, file: string): Problem[] {
  const report = (message: string, hint: string): Problem => ({
    file,
    path: `triton-platform:servers.${name}`,
    message,
    hint,
  });
  const objectName = serverObjectName(name);
  if (objectName === balancerName)
    return [report("in a cluster this is the balancer's name", "give the server another name")];
  return objectName.length > longestName
    ? [
        report(
          `\`${objectName}\` is too long for a Service's name`,
          `use ${String(longestName - serverObjectName("").length)} characters or fewer`,
        ),
      ]
    : [];
}

/**
 * The kubelet evicts a pod that writes more than it asked for. An earlier repository may be bigger than the current one,
 * and take longer to come: the config says how big.
 */
function diskProblems(server: ServerPlan, file: string): Problem[] {
  const { name, config, repository } = server;
  const { disk } = config.resources;
  const report = (message: string, hint: string): Problem => ({
    file,
    path: `triton-platform:servers.${name}.resources.disk`,
    message,
    hint,
  });
  if (servesAnother(server))
    return disk === undefined
      ? [
          report(
            "missing, and how big the repository is that the server goes back to is not known here",
            `write its size and 1 GiB: \`kubectl get replicasets -o yaml\` shows the ephemeral-storage that it had, and manifests/${config.rollback ?? ""} in the store the bytes of its files`,
          ),
        ]
      : [];
  const needed = repositoryBytes(repository);
  return disk === undefined || disk > needed
    ? []
    : [
        report(
          `${formatBytes(disk)}, and the model repository alone takes ${formatBytes(needed)}`,
          "leave it out, or write what the repository and the logs take",
        ),
      ];
}
