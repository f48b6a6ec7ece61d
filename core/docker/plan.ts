import type { PlatformDescription } from "../description.ts";
import type { PlatformPlan, ServerPlan } from "../platform.ts";
import { planServerImages, tritonImage, type ServerImagePlan } from "../kubernetes/images.ts";
import { present } from "../objects.ts";
import type { DockerConfig } from "../spec/docker.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Checked, Problem } from "../spec/problem.ts";
import { servedVersions } from "../triton/repository.ts";
import { callsUpstream, missingApiKey } from "../upstream.ts";
import { balancerContainer, balancerFiles, balancerProblems, groupPort } from "./balancer.ts";
import type { ContainerPlan, FilesPlan, VolumeName } from "./container.ts";
import { assignGpus, gpuConfigProblems, type GpuAssignment } from "./gpus.ts";
import { monitoring } from "./monitoring.ts";
import { replicaName } from "./names.ts";
import { planOrders } from "./rollout.ts";
import { repositoryHash, serverContainers, serverNameProblems, sharedMemoryProblems } from "./server.ts";

/**
 * The platform on one Docker host as plain data: volumes, images, files, model repositories and containers. Components
 * turn each into a resource; `npm run plan` writes them to a folder.
 */
export interface DockerPlan {
  readonly servers: readonly ServerPlan[];
  /** References of what is pulled, each once. */
  readonly images: readonly string[];
  /** Images to build; the containers name them already. */
  readonly serverImages: readonly ServerImagePlan[];
  /** Each is made where a container has it. */
  readonly volumes: readonly VolumeName[];
  readonly files: readonly FilesPlan[];
  /** In the order of their start. */
  readonly containers: readonly ContainerPlan[];
  /** Whether a server calls HolySheep, so that its key is needed. */
  readonly needsApiKey: boolean;
  readonly gpus: GpuAssignment;
  readonly description: DockerDescription;
}

/** The stack's outputs: what is on the host's loopback address is reached there, or through ssh's `-L`. */
export interface DockerDescription extends PlatformDescription {
  /** Docker's address. */
  readonly host: string;
}

/** What is not in the platform's config. */
export interface DockerFacts {
  /** Name of the stack's config file, for problems. */
  readonly file: string;
  /** Whether the stack's config has HolySheep's key. */
  readonly hasApiKey: boolean;
  /** Text of the server image's requirements; undefined where there is none, or it cannot be read. */
  readonly requirements?: string;
}

/** Plans the host's containers. The plan is to be used only where there is no problem. */
export function planDocker(
  { servers, capacity }: PlatformPlan,
  config: PlatformConfig,
  docker: DockerConfig,
  { file, hasApiKey, requirements }: DockerFacts,
): Checked<DockerPlan> {
  const serverImages = planServerImages(servers, config, imageConfig(docker), requirements);
  const builtImages = new Map(serverImages.value.map(({ base, reference }) => [base, reference]));
  const gpus = assignGpus(servers, docker);
  const orders = planOrders(servers, capacity, config, file);
  const tritons = servers.flatMap((server) =>
    serverContainers(server, {
      config,
      docker,
      image: tritonImage(server, { ...config, builtImages }, imageConfig(docker)),
      gpus,
      order: orders.value.get(server.name) ?? "oldFirst",
    }),
  );
  const beside = monitoring(servers, config, docker);
  const containers = [balancerContainer(servers, docker), ...tritons, ...beside.containers];
  const needsApiKey = callsUpstream(servers);
  const built = new Set(builtImages.values());
  return {
    value: {
      servers,
      images: unique(containers.map(({ image }) => image)).filter((image) => !built.has(image)),
      serverImages: serverImages.value,
      volumes: unique(containers.flatMap(({ mounts }) => mounts.map(({ volume }) => volume))),
      files: [balancerFiles(servers, docker), ...beside.files],
      containers,
      needsApiKey,
      gpus,
      description: describe(servers, docker),
    },
    problems: [
      ...orders.problems,
      ...serverImages.problems,
      ...gpuConfigProblems(servers, docker, file),
      ...servers.flatMap((server) => [
        ...serverNameProblems(server, file),
        ...sharedMemoryProblems(server, docker, file),
      ]),
      ...balancerProblems(servers, docker, file),
      ...portProblems(containers, file),
      ...(needsApiKey && !hasApiKey ? [missingApiKey(file)] : []),
    ],
  };
}

/** As images are planned for a cluster; the image that is built stays on the host, under a name of no registry. */
function imageConfig({ images, serverImage }: DockerConfig): Parameters<typeof planServerImages>[2] {
  return {
    images: { triton: images.triton },
    serverImage: serverImage && { repository: "localhost/triton-platform/server", ...serverImage },
  };
}

/** Ports of the host that two containers want. */
function portProblems(containers: readonly ContainerPlan[], file: string): Problem[] {
  const wanted = containers.flatMap(({ ports }) => ports);
  return wanted.flatMap(({ external, setting }, i): Problem[] => {
    const other = wanted.slice(0, i).find((earlier) => earlier.external === external);
    return other === undefined
      ? []
      : [
          {
            file,
            path: `triton-platform:docker.${setting}`,
            message: `port ${String(external)} is that of ${other.setting} too`,
            hint: "give each a port of its own",
          },
        ];
  });
}

function describe(
  servers: readonly ServerPlan[],
  { host, address, ports, balancer, monitoring: beside }: DockerConfig,
): DockerDescription {
  const at = (port: number): string => `${address}:${String(port)}`;
  return {
    host,
    endpoints: {
      http: `http://${at(ports.http)}`,
      grpc: at(ports.grpc),
      metrics: `http://${at(ports.metrics)}/metrics`,
      ...(beside.prometheus ? { prometheus: `http://${at(ports.prometheus)}` } : {}),
      ...(beside.grafana ? { grafana: `http://${at(ports.grafana)}` } : {}),
    },
    servers: servers.map((server) => {
      const port = groupPort(balancer.grpcPorts, server.name);
      return {
        name: server.name,
        ...present({ grpc: port === undefined ? undefined : at(port) }),
        repositoryHash: repositoryHash(server),
        replicas: Array.from({ length: server.replicas }, (_, i) => ({ name: replicaName(server.name, i) })),
        models: server.models.map((model) => ({ name: model.spec.name, versions: servedVersions(model) })),
      };
    }),
  };
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
