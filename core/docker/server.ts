import { sharedMemory } from "../capacity/requirements.ts";
import { present } from "../objects.ts";
import type { ServerPlan } from "../platform.ts";
import type { DockerConfig } from "../spec/docker.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Problem } from "../spec/problem.ts";
import { formatBytes, type Bytes } from "../spec/units.ts";
import { treePrefix } from "../repository/layout.ts";
import { maxInputSize, serverFlags } from "../triton/server-flags.ts";
import { httpTest, type ContainerPlan, type Order } from "./container.ts";
import type { GpuAssignment } from "./gpus.ts";
import {
  holysheepKeyFile,
  labels,
  places,
  ports,
  replicaAlias,
  replicaName,
  serverAlias,
  users,
} from "./names.ts";

/** What decides on a server's containers besides the server. */
export interface ServerFacts {
  readonly config: Pick<PlatformConfig, "tritonRelease" | "holysheep">;
  readonly docker: DockerConfig;
  readonly image: string;
  readonly gpus: GpuAssignment;
  readonly order: Order;
}

/** One container for each replica, in the order in which they are replaced. */
export function serverContainers(server: ServerPlan, facts: ServerFacts): ContainerPlan[] {
  return Array.from({ length: server.replicas }, (_, i) => replica(server, i, facts));
}

function replica(
  server: ServerPlan,
  i: number,
  { config, docker, image, gpus, order }: ServerFacts,
): ContainerPlan {
  const { name, timing } = server;
  const hash = repositoryHash(server);
  const shm = sharedMemoryOf(server, docker);
  const calls = server.upstream !== undefined;
  return {
    name: replicaName(name, i),
    service: "triton",
    image,
    entrypoint: ["tritonserver"],
    command: [
      ...serverFlags(server, {
        address: "0.0.0.0",
        httpPort: ports.http,
        grpcPort: ports.grpc,
        metricsPort: ports.metrics,
        repository: `${places.models}/${treePrefix(hash)}`.replace(/\/$/, ""),
        // A call may have come in just before the stop, from whoever stops it.
        exitTimeout: timing.drain,
        ...present({ maxInputSize: maxInputSize(config.tritonRelease, docker.balancer.maxBodySize) }),
      }),
      `--backend-config=python,shm-default-byte-size=${String(pythonSharedMemory)}`,
      `--log-verbose=${String(docker.logVerbose)}`,
    ],
    environment: {
      HOME: "/tmp",
      // A repository is immutable: no compiled Python in it.
      PYTHONDONTWRITEBYTECODE: "1",
      // NVIDIA's images ask for all GPUs, and get them where NVIDIA's runtime is the default.
      ...(server.devices === undefined ? { NVIDIA_VISIBLE_DEVICES: "void" } : {}),
      ...(calls
        ? {
            HOLYSHEEP_BASE_URL: config.holysheep.baseUrl,
            HOLYSHEEP_MODEL: config.holysheep.model,
            HOLYSHEEP_API_KEY_FILE: `${places.holysheep}/${holysheepKeyFile}`,
          }
        : {}),
    },
    user: users.triton,
    networks: [
      { network: "inside", aliases: [serverAlias(name), replicaAlias(name, i)] },
      // Only who calls an API has a way out.
      ...(calls ? [{ network: "outside", aliases: [] } as const] : []),
    ],
    ports: [],
    mounts: [
      { volume: "models", target: places.models, readOnly: true },
      ...(calls ? [{ volume: "holysheep", target: places.holysheep, readOnly: true } as const] : []),
    ],
    tmpfs: { "/tmp": "" },
    labels: { [labels.server]: name, [labels.replica]: String(i), [labels.repository]: hash },
    ...present({ gpus: gpus.get(name)?.[i], cpus: server.config.resources.cpu }),
    capabilities: [],
    sharedMemory: shm,
    ulimits: docker.ulimits,
    memory: memoryLimit(server, shm),
    health: {
      test: httpTest(ports.http, "/v2/health/ready"),
      interval: 2,
      timeout: 10,
      retries: 6,
      startPeriod: timing.startup,
    },
    stop: { signal: "SIGTERM", grace: timing.drain + 10 },
    order,
    member: {
      server: name,
      startup: timing.startup,
      drain: timing.drain,
      ...(i === 0 ? {} : { after: replicaName(name, i - 1) }),
    },
  };
}

/**
 * Of each instance of a Python model at its start: what the article sets under the name `shm-region-size`, which the
 * backend does not know. Source: python_backend, `src/python_be.cc`, "shm-default-byte-size".
 */
const pythonSharedMemory: Bytes = 64 * 1024 ** 2;

/** The repository that the server is to serve. */
export function repositoryHash({ config, repository }: Pick<ServerPlan, "config" | "repository">): string {
  return config.rollback ?? repository.hash;
}

/** The size of a replica's `/dev/shm`. */
function sharedMemoryOf({ config }: ServerPlan, docker: DockerConfig): Bytes {
  return config.resources.sharedMemory ?? docker.sharedMemory;
}

/** `/dev/shm` counts as memory of the container that fills it. */
function memoryLimit({ requests, models, config, devices }: ServerPlan, shm: Bytes): Bytes {
  return (requests.memory ?? 0) - sharedMemory(models, config.resources, devices) + shm;
}

/** Longest label of a name in DNS (RFC 1035). */
const longestLabel = 63;

/** Servers that the balancer could not find. */
export function serverNameProblems({ name }: Pick<ServerPlan, "name">, file: string): Problem[] {
  const alias = serverAlias(name);
  return alias.length <= longestLabel
    ? []
    : [
        {
          file,
          path: `triton-platform:servers.${name}`,
          message: `\`${alias}\` is too long for a name in DNS`,
          hint: `use ${String(longestLabel - serverAlias("").length)} characters or fewer`,
        },
      ];
}

/** Servers whose Python processes do not find room in `/dev/shm`. */
export function sharedMemoryProblems(server: ServerPlan, docker: DockerConfig, file: string): Problem[] {
  const { name, models, devices } = server;
  const size = sharedMemoryOf(server, docker);
  // The estimate is of as much for each process as they are given here.
  const needed = sharedMemory(models, {}, devices);
  return needed <= size
    ? []
    : [
        {
          file,
          path:
            server.config.resources.sharedMemory === undefined
              ? "triton-platform:docker.sharedMemory"
              : `triton-platform:servers.${name}.resources.sharedMemory`,
          message: `${formatBytes(size)}, and the processes of \`${name}\`'s Python models begin with ${formatBytes(needed)}`,
          hint: `write at least ${formatBytes(needed)}`,
        },
      ];
}
