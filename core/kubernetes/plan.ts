import type { IExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import type { IPriorityClass } from "kubernetes-models/scheduling.k8s.io/v1";
import type { IConfigMap, INamespace, ISecret } from "kubernetes-models/v1";
import type { PlatformDescription } from "../description.ts";
import { present } from "../objects.ts";
import type { PlatformPlan, ServerPlan } from "../platform.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Checked, Problem } from "../spec/problem.ts";
import { servedVersions } from "../triton/repository.ts";
import { callsUpstream, missingApiKey } from "../upstream.ts";
import { balancerProblems } from "./balancer-problems.ts";
import { balancerObjects, type BalancerObjects } from "./balancer.ts";
import { chartProblems, gpuCharts, type ChartRelease } from "./charts.ts";
import {
  apiKeysExternalSecret,
  holysheepExternalSecret,
  secretStore,
  type SecretStoreObjects,
} from "./external-secrets.ts";
import {
  dcgmCountersConfigMap,
  monitoringObjects,
  monitoringProblems,
  type MonitoringObjects,
} from "./monitoring.ts";
import {
  apiKeysSecret,
  balancerName,
  groupGrpcPort,
  holysheepSecret,
  namespaceObject,
  objectLabels,
  partOf,
  ports,
} from "./names.ts";
import { planServerImages, type ServerImagePlan } from "./images.ts";
import { networkPolicies, networkPolicyProblems } from "./network-policies.ts";
import { headroomPriorityClass, planServers, type PlannedServer } from "./server.ts";

/**
 * The platform on a Kubernetes cluster as plain data: every object of the API, the charts beside them and the model
 * repositories they read. Components turn each into a resource; `npm run plan` writes them to a folder.
 */
export interface KubernetesPlan {
  /** Undefined where it is there already. */
  readonly namespaceObject?: INamespace;
  readonly servers: readonly PlannedServer[];
  /** Of the pods that keep room free; undefined where there are none. */
  readonly headroomPriorityClass?: IPriorityClass;
  readonly balancer: BalancerObjects;
  /** Of the balancer's API keys: the component puts them in. Undefined where no keys are in the stack's config. */
  readonly apiKeysSecret?: ISecret;
  /** The balancer's API keys from External Secrets. */
  readonly apiKeysExternalSecret?: IExternalSecret;
  readonly networkPolicies: readonly INetworkPolicy[];
  /** HolySheep's key from the stack's config: the component puts it in. */
  readonly holysheepSecret?: ISecret;
  /** HolySheep's key from External Secrets. */
  readonly holysheepExternalSecret?: IExternalSecret;
  /** Where External Secrets reads; undefined where that is there already, or nothing is read. */
  readonly secretStore?: SecretStoreObjects;
  /** Of the GPU add-ons; undefined where there are none. */
  readonly addonsNamespaceObject?: INamespace;
  readonly charts: readonly ChartRelease[];
  /** Of DCGM's exporter, where the GPU operator brings it. */
  readonly dcgmCounters?: IConfigMap;
  readonly monitoring: MonitoringObjects;
  /** Images to build; the pods' manifests name them already. */
  readonly serverImages: readonly ServerImagePlan[];
  readonly description: KubernetesDescription;
}

/** The stack's outputs; the addresses are those inside the cluster. */
export interface KubernetesDescription extends PlatformDescription {
  readonly namespace: string;
}

/** The same for clients outside the cluster, who reach the balancer at a load balancer's name or address. */
export function publishedAt(
  { endpoints, servers, ...rest }: KubernetesDescription,
  host: string,
  tls: boolean,
): KubernetesDescription {
  const at = (address: string): string => `${host}${address.slice(address.lastIndexOf(":"))}`;
  return {
    ...rest,
    endpoints: { http: `${tls ? "https" : "http"}://${at(endpoints.http)}`, grpc: at(endpoints.grpc) },
    servers: servers.map(({ grpc, ...server }) => ({
      ...server,
      ...present({ grpc: grpc === undefined ? undefined : at(grpc) }),
    })),
  };
}

/** What is not in the platform's config. */
export interface KubernetesFacts {
  /** Name of the stack's config file, for problems. */
  readonly file: string;
  /** Whether the stack's config has HolySheep's key. */
  readonly hasApiKey: boolean;
  /** Text of the server image's requirements; undefined where there is none, or it cannot be read. */
  readonly requirements?: string;
}

/** Plans the platform's objects. The plan is to be used only where there is no problem. `file` names the stack's config. */
export function planKubernetes(
  platform: PlatformPlan,
  config: PlatformConfig,
  kubernetes: KubernetesConfig,
  { file, hasApiKey, requirements }: KubernetesFacts,
): Checked<KubernetesPlan> {
  const { servers } = platform;
  const images = planServerImages(servers, config, kubernetes, requirements);
  const builtImages = new Map(images.value.map(({ base, reference }) => [base, reference]));
  const { value: planned, problems } = planServers(servers, { ...config, builtImages }, kubernetes, file);
  const needsKey = callsUpstream(servers);
  const external = kubernetes.externalSecrets;
  const balancer = balancerObjects(servers, kubernetes);
  const charts = gpuCharts(kubernetes.gpu);
  const headroom = servers.some(({ config: { autoscaling } }) => (autoscaling?.headroom ?? 0) > 0);
  return {
    value: {
      servers: planned,
      serverImages: images.value,
      balancer,
      networkPolicies: networkPolicies(servers, kubernetes),
      charts,
      monitoring: monitoringObjects(servers, config.monitoring, kubernetes),
      description: describe(servers, kubernetes),
      ...present({
        namespaceObject: kubernetes.createNamespace
          ? namespaceObject(kubernetes.namespace, "restricted")
          : undefined,
        // Device plugins and DCGM mount the host's folders.
        addonsNamespaceObject:
          charts.length > 0 && kubernetes.gpu.createNamespace
            ? namespaceObject(kubernetes.gpu.namespace, "privileged")
            : undefined,
        dcgmCounters: dcgmCountersConfigMap(kubernetes),
        headroomPriorityClass: headroom ? headroomPriorityClass(kubernetes.namespace) : undefined,
        apiKeysSecret:
          balancer.apiKeysMap === undefined || external?.apiKeys !== undefined
            ? undefined
            : emptySecret(apiKeysSecret.name, kubernetes),
        apiKeysExternalSecret: external && apiKeysExternalSecret(external, kubernetes.namespace),
        holysheepSecret:
          needsKey && external?.holysheepApiKey === undefined
            ? emptySecret(holysheepSecret.name, kubernetes)
            : undefined,
        holysheepExternalSecret:
          needsKey && external !== undefined
            ? holysheepExternalSecret(external, kubernetes.namespace)
            : undefined,
        secretStore: external && secretStore(external, kubernetes.namespace),
      }),
    },
    problems: [
      ...problems,
      ...images.problems,
      ...(needsKey && external?.holysheepApiKey === undefined && !hasApiKey
        ? [missingApiKey(file, ", or name kubernetes.externalSecrets.holysheepApiKey")]
        : []),
      ...balancerProblems(servers, kubernetes, balancer, file),
      ...chartProblems(kubernetes, file),
      ...monitoringProblems(config.monitoring, kubernetes, file),
      ...networkPolicyProblems(servers, config, kubernetes, file),
      ...earlySecretProblems(kubernetes, file),
    ],
  };
}

/** Without values: those are secrets, which no plan holds. */
function emptySecret(name: string, { namespace }: Pick<KubernetesConfig, "namespace">): ISecret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace, labels: objectLabels(partOf) },
    type: "Opaque",
  };
}

/** Pods wait for Secrets that nobody can make before the namespace is there, and nobody else may make it. */
function earlySecretProblems(
  { createNamespace, namespace, repository, balancer, imagePullSecrets }: KubernetesConfig,
  file: string,
): Problem[] {
  const wanted = [
    repository.source === "s3" ? repository.credentialsSecret : undefined,
    balancer.tls?.secretName,
    balancer.clientCertificates?.secretName,
    ...imagePullSecrets,
  ].flatMap((name) => (name === undefined ? [] : [`\`${name}\``]));
  return !createNamespace || wanted.length === 0
    ? []
    : [
        {
          file,
          path: "triton-platform:kubernetes.createNamespace",
          message: `true, and pods want the existing ${wanted.length === 1 ? "Secret" : "Secrets"} ${wanted.join(", ")} in it`,
          hint: `write false, and make the namespace ${namespace} with ${wanted.length === 1 ? "it" : "them"} before (docs/kubernetes.md, "First deployment")`,
        },
      ];
}

function describe(
  servers: readonly ServerPlan[],
  { namespace, balancer }: KubernetesConfig,
): KubernetesDescription {
  const host = `${balancerName}.${namespace}.svc`;
  const scheme = balancer.tls === undefined ? "http" : "https";
  return {
    namespace,
    endpoints: {
      http: `${scheme}://${host}:${String(ports.http)}`,
      grpc: `${host}:${String(ports.grpc)}`,
    },
    servers: servers.map(({ name, models, repository, config }) => ({
      name,
      ...present({ grpc: grpcAddress(host, groupGrpcPort(balancer, name)) }),
      repositoryHash: config.rollback ?? repository.hash,
      models: models.map((model) => ({ name: model.spec.name, versions: servedVersions(model) })),
    })),
  };
}

function grpcAddress(host: string, port: number | undefined): string | undefined {
  return port === undefined ? undefined : `${host}:${String(port)}`;
}
