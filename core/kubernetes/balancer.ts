import type {
  IContainer,
  IConfigMap,
  IPodSpec,
  IService,
  IServiceAccount,
  IServicePort,
  IVolume,
  IVolumeMount,
} from "kubernetes-models/v1";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import { mostReplicas } from "../capacity/check.ts";
import { balancerScript, renderHaproxyConfig } from "../haproxy/config.ts";
import type { ClusterOptions, RateLimit } from "../haproxy/plan.ts";
import { apiKeysMap, maxConnections, slots, threads } from "../haproxy/sizes.ts";
import { mapValues, present } from "../objects.ts";
import type { ServerPlan } from "../platform.ts";
import { sha256 } from "../spec/artifacts.ts";
import type { BalancerConfig, KubernetesConfig } from "../spec/kubernetes.ts";
import { balancerTiming, type BalancerTiming } from "../timing/kubernetes.ts";
import { asksForApiKeys } from "./external-secrets.ts";
import {
  apiKeysSecret,
  balancerName,
  balancerSelector,
  groupGrpcPort,
  objectLabels,
  ports,
  serverObjectName,
} from "./names.ts";
import {
  containerResources,
  podDisruptionBudget,
  pullSecrets,
  restrictedContainer,
  restrictedPod,
  topologySpread,
  type PodDeployment,
} from "./pod.ts";

/**
 * The balancer's objects of the Kubernetes API: HAProxy in front of every group, and the Service that clients call.
 *
 * - Its file and script are a ConfigMap named by their content: another file is another pod, and while a rollout runs, a
 *   pod of either ReplicaSet that starts again finds its own. Once the rollout is over, the old one is deleted: the way
 *   back is another deployment, and not `kubectl rollout undo`.
 * - Replicas of the servers are found by DNS. Keys and certificates are mounted as folders, which follow their Secrets,
 *   and read again when they change. None of these rolls the balancer.
 * - A pod is ready while its HAProxy takes calls, whatever its servers do: else no first deployment would end.
 *   `/healthz` of the HTTP port is for load balancers before it: it fails while no default server can answer, and from
 *   the moment the pod is to go.
 */
export interface BalancerObjects {
  readonly serviceAccount: IServiceAccount;
  readonly configMaps: readonly IConfigMap[];
  /** What the Secret of API keys holds: lines of a key's sha256 and its caller. Undefined where no key is asked for. */
  readonly apiKeysMap?: string;
  readonly deployment: PodDeployment;
  /** Undefined for one replica, which a budget could only keep from being moved. */
  readonly podDisruptionBudget?: IPodDisruptionBudget;
  readonly service: IService;
  readonly timing: BalancerTiming;
}

export function balancerObjects(servers: readonly ServerPlan[], config: KubernetesConfig): BalancerObjects {
  const timing = balancerTiming(
    servers.map((server) => server.timing),
    config.balancer,
  );
  const configMap = configMapOf(servers, timing, config);
  return {
    serviceAccount: {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadataOf(config),
      automountServiceAccountToken: false,
    },
    configMaps: [configMap],
    deployment: deployment(servers, configMap.metadata.name, timing, config),
    service: service(servers, config),
    timing,
    ...present({ apiKeysMap: apiKeysMap(config.balancer) }),
    ...(config.balancer.replicas > 1
      ? { podDisruptionBudget: podDisruptionBudget(metadataOf(config), balancerSelector) }
      : {}),
  };
}

/** Where the pod has its files. */
const folders = {
  config: "/etc/triton-balancer/config",
  apiKeys: "/etc/triton-balancer/api-keys",
  tls: "/etc/triton-balancer/tls",
  clientCertificates: "/etc/triton-balancer/client-certificates",
  run: "/run/triton-balancer",
} as const;

const files = {
  config: "haproxy.cfg",
  script: "balancer.lua",
  /** Empty: the script puts in it, in memory, what the Secret holds. */
  apiKeys: "api-keys.map",
} as const;

const drainFile = `${folders.run}/draining`;

/** HAProxy's user in its own image. */
const user = 99;

interface NamedConfigMap extends IConfigMap {
  readonly metadata: { readonly name: string };
}

function configMapOf(
  servers: readonly ServerPlan[],
  timing: BalancerTiming,
  config: KubernetesConfig,
): NamedConfigMap {
  const data = {
    [files.config]: haproxyConfig(servers, timing, config),
    [files.script]: balancerScript(),
    [files.apiKeys]: "",
  };
  const hash = sha256(JSON.stringify(data)).slice(0, 10);
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...metadataOf(config), name: `${balancerName}-${hash}` },
    immutable: true,
    data,
  };
}

function haproxyConfig(
  servers: readonly ServerPlan[],
  timing: BalancerTiming,
  config: KubernetesConfig,
): string {
  return renderHaproxyConfig({
    address: "*",
    httpPort: ports.http,
    grpcPort: ports.grpc,
    metricsPort: ports.metrics,
    adminSocket: `${folders.run}/admin.sock`,
    servers: servers.map((plan) => ({
      plan,
      ...present({ grpcPort: groupGrpcPort(config.balancer, plan.name) }),
      replicas: {
        hostname: `${serverObjectName(plan.name)}.${config.namespace}.svc.${config.clusterDomain}`,
        slots: slots(mostReplicas(plan.config)),
        httpPort: ports.http,
        grpcPort: ports.grpc,
      },
    })),
    cluster: clusterOptions(timing, config),
  });
}

function clusterOptions({ discovery }: BalancerTiming, config: KubernetesConfig): ClusterOptions {
  const { balancer } = config;
  const { tls, clientCertificates, rateLimit, rateLimits } = balancer;
  const share = (limit: RateLimit): RateLimit => shareOf(limit, balancer.replicas);
  return {
    healthPort: ports.health,
    threads: threads(balancer),
    maxConnections: maxConnections(balancer),
    discovery,
    script: `${folders.config}/${files.script}`,
    drainFile,
    maxBodySize: balancer.maxBodySize,
    proxyProtocol: balancer.proxyProtocol,
    rateLimits: {
      callers: mapValues(rateLimits, share),
      ...(rateLimit === undefined ? {} : { everyone: share(rateLimit) }),
    },
    ...(tls === undefined
      ? {}
      : {
          tls: {
            certificate: `${folders.tls}/tls.crt`,
            ...(clientCertificates === undefined
              ? {}
              : { clientAuthorities: `${folders.clientCertificates}/ca.crt` }),
          },
        }),
    ...(asksForApiKeys(config)
      ? {
          apiKeys: {
            file: `${folders.apiKeys}/${apiKeysSecret.key}`,
            map: `${folders.config}/${files.apiKeys}`,
          },
        }
      : {}),
  };
}

/**
 * Replicas do not know each other's counts, so each lets an equal share of a limit through, rounded up. A caller whose
 * connections all end at one replica has that share alone; where the limit is less than the replicas, they let more
 * through together than the limit says, at most one each.
 */
function shareOf({ requests, period }: RateLimit, replicas: number): RateLimit {
  return { requests: Math.ceil(requests / replicas), period };
}

function deployment(
  servers: readonly ServerPlan[],
  configMap: string,
  timing: BalancerTiming,
  config: KubernetesConfig,
): PodDeployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(config),
    spec: {
      replicas: config.balancer.replicas,
      minReadySeconds: timing.minReady,
      progressDeadlineSeconds: timing.progressDeadline,
      selector: { matchLabels: { ...balancerSelector } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels: { ...objectLabels(balancerSelector) } },
        spec: pod(servers, configMap, timing, config),
      },
    },
  };
}

function pod(
  servers: readonly ServerPlan[],
  configMap: string,
  timing: BalancerTiming,
  config: KubernetesConfig,
): IPodSpec {
  const mounts = mountsOf(configMap, config);
  return {
    serviceAccountName: balancerName,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { ...restrictedPod, runAsUser: user, runAsGroup: user, fsGroup: user },
    ...pullSecrets(config),
    topologySpreadConstraints: topologySpread(balancerSelector),
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: "kubernetes.io/hostname",
              labelSelector: { matchLabels: { ...balancerSelector } },
            },
          },
        ],
      },
    },
    terminationGracePeriodSeconds: timing.terminationGracePeriod,
    containers: [container(servers, timing, config, mounts)],
    volumes: mounts.map(({ volume }) => volume),
  };
}

function container(
  servers: readonly ServerPlan[],
  timing: BalancerTiming,
  { images, balancer }: KubernetesConfig,
  mounts: readonly Mount[],
): IContainer {
  const get = (path: string): IContainer["livenessProbe"] => ({ httpGet: { path, port: "health" } });
  return {
    name: "haproxy",
    image: images.haproxy,
    // HAProxy itself is process 1 in any image, and gets the signals.
    command: ["haproxy", "-db", "-f", `${folders.config}/${files.config}`],
    ports: [
      ...clientPorts(servers, balancer),
      { name: "metrics", port: ports.metrics },
      { name: "health", port: ports.health },
    ].map(({ name, port }) => ({ name, containerPort: port, protocol: "TCP" })),
    resources: containerResources({ cpu: Math.round(balancer.cpu * 1_000), memory: balancer.memory }),
    securityContext: restrictedContainer,
    volumeMounts: mounts.map(({ mount }) => mount),
    readinessProbe: { ...get("/ready"), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 3 },
    livenessProbe: { ...get("/live"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    lifecycle: { preStop: { exec: { command: ["sh", "-c", preStop(timing)] } } },
  };
}

/**
 * The balancer says that it is going, and takes calls while there may be some; then HAProxy finishes what it has (USR1)
 * and ends. The hook stays until then, so that no stop signal of whatever image comes before. TERM alone would not do:
 * HAProxy leaves it to the kernel, which keeps it from process 1, and the pod is killed when its grace period is over.
 */
function preStop(timing: BalancerTiming): string {
  return `touch ${drainFile}; sleep ${String(timing.preStop)}; kill -USR1 1; while kill -0 1; do sleep 1; done`;
}

interface Mount {
  readonly mount: IVolumeMount;
  readonly volume: IVolume;
}

/** Secrets are for the pod's group alone to read. */
function mountsOf(configMap: string, config: KubernetesConfig): Mount[] {
  const { tls, clientCertificates } = config.balancer;
  const secret = (name: string, mountPath: string, secretName: string | undefined): Mount[] =>
    secretName === undefined
      ? []
      : [
          {
            mount: { name, mountPath, readOnly: true },
            volume: { name, secret: { secretName, defaultMode: 0o440 } },
          },
        ];
  return [
    {
      mount: { name: "config", mountPath: folders.config, readOnly: true },
      volume: { name: "config", configMap: { name: configMap } },
    },
    {
      mount: { name: "run", mountPath: folders.run },
      volume: { name: "run", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    },
    ...secret("api-keys", folders.apiKeys, asksForApiKeys(config) ? apiKeysSecret.name : undefined),
    ...secret("tls", folders.tls, tls?.secretName),
    ...secret("client-certificates", folders.clientCertificates, clientCertificates?.secretName),
  ];
}

/** Metrics and the pod's own health are not among its ports: they are for callers inside the cluster. */
function service(servers: readonly ServerPlan[], config: KubernetesConfig): IService {
  const { tls } = config.balancer;
  const { type, annotations, loadBalancerClass, loadBalancerSourceRanges, externalTrafficPolicy } =
    config.balancer.service;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...metadataOf(config), annotations: { ...annotations } },
    spec: {
      type,
      selector: { ...balancerSelector },
      ports: clientPorts(servers, config.balancer).map(({ name, port, isGrpc }): IServicePort => ({
        name,
        port,
        targetPort: name,
        protocol: "TCP",
        // There is no common name for HTTP/2 under TLS that is not also HTTP/1.1's.
        ...present({
          appProtocol:
            tls === undefined ? (isGrpc ? "kubernetes.io/h2c" : "http") : isGrpc ? undefined : "https",
        }),
      })),
      ...present({ loadBalancerClass, externalTrafficPolicy }),
      ...(loadBalancerSourceRanges.length === 0
        ? {}
        : { loadBalancerSourceRanges: [...loadBalancerSourceRanges] }),
    },
  };
}

interface ClientPort {
  readonly name: string;
  readonly port: number;
  readonly isGrpc: boolean;
}

function clientPorts(servers: readonly ServerPlan[], balancer: BalancerConfig): ClientPort[] {
  return [
    { name: "http", port: ports.http, isGrpc: false },
    { name: "grpc", port: ports.grpc, isGrpc: true },
    ...servers.flatMap(({ name }) => {
      const port = groupGrpcPort(balancer, name);
      return port === undefined ? [] : [{ name: groupPortName(name), port, isGrpc: true }];
    }),
  ];
}

/**
 * `grpc-<group>`, with a hash in place of names that are too long or have two hyphens in a row.
 * Source: RFC 6335, section 5.1, as Kubernetes checks names of ports: at most 15 characters.
 */
function groupPortName(group: string): string {
  const name = `grpc-${group}`;
  return name.length <= 15 && !name.includes("--") ? name : `grpc-${sha256(group).slice(0, 10)}`;
}

function metadataOf({ namespace }: KubernetesConfig): {
  name: string;
  namespace: string;
  labels: Record<string, string>;
} {
  return { name: balancerName, namespace, labels: { ...objectLabels(balancerSelector) } };
}
