import * as z from "zod";
import { environments } from "../policy/environment.ts";
import { gpuProducts } from "../capacity/catalogue.ts";
import { ec2Types } from "../capacity/nodes.ts";
import { newestRelease, oldestRelease, type Release } from "../triton/releases.ts";
import { compare } from "./artifacts.ts";
import { dockerSchema, grafanaImage, type DockerConfig } from "./docker.ts";
import { eksSchema, type EksConfig } from "./eks.ts";
import { autoscalingSchema, kubernetesSectionSchema, type KubernetesConfig } from "./kubernetes.ts";
import { monitoringSchema } from "./monitoring.ts";
import { parseValue, type Parsed } from "./parse.ts";
import { size } from "./units.ts";

/** What a stack's config says about the platform, apart from secrets. */

const port = z.int().min(1).max(65535);

const gpuName = z.enum(gpuProducts.map(({ name }) => name));

/** What one replica runs on. */
const acceleratorSchema = z.strictObject({
  gpu: gpuName,
  /** Profile of a MIG slice; the whole GPU where left out. */
  mig: z.string().min(1).optional(),
  /** GPUs, or slices, of one replica. */
  count: z.int().min(1).max(16).default(1),
});

/** What one replica asks of its node; worked out from its models where left out. */
const resourcesSchema = z.strictObject({
  /** Cores. */
  cpu: z.number().positive().optional(),
  /** Main memory, without shared memory. */
  memory: size.optional(),
  /** Size of /dev/shm, through which Triton and Python models exchange tensors. */
  sharedMemory: size.optional(),
  /** Room for the model repository and for logs. */
  disk: size.optional(),
});

/** A server group: the unit of deployment. Its models run together on each of its replicas. */
const serverSchema = z.strictObject({
  /** Models of this group. The default server may leave it out: it serves every model that no group lists. */
  models: z.array(z.string().min(1)).min(1).optional(),
  /** Tritons that serve this group behind the balancer. */
  replicas: z.int().min(1).max(100).default(1),
  /** Memory for Triton's response cache; needed by models with `responseCache: true`. */
  responseCache: size.optional(),
  /** With it, GPU memory is checked; models that only call an external API need none. */
  accelerator: acceleratorSchema.optional(),
  resources: resourcesSchema.prefault({}),
  /** On Kubernetes: the autoscaler decides on the replicas, and `replicas` is not looked at. */
  autoscaling: autoscalingSchema.optional(),
  /** Whether the group may be away while it rolls, where there is no room for one replica more. */
  allowDowntime: z.boolean().default(false),
  /** Hash of an earlier repository of this group that is to be served instead of what the models' folder holds. */
  rollback: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "this is no hash of a repository: 64 hexadecimal digits")
    .optional(),
});

/** Machines that are all alike: an EC2 type, or what `kubectl describe node` shows under Allocatable. */
const nodePoolSchema = z
  .strictObject({
    instanceType: z.enum(ec2Types.map(({ name }) => name)).optional(),
    allocatable: z
      .strictObject({
        /** Cores. */
        cpu: z.number().positive(),
        memory: size,
        disk: size,
        pods: z.int().min(1).default(110),
        gpu: gpuName.optional(),
        gpus: z.int().min(1).default(1),
      })
      .optional(),
    /** Of an instance type: its volume. Default: its own NVMe disks where it has some, else 100 GiB. */
    disk: size.optional(),
    /** MIG profile that each GPU is cut into, as often as it goes. */
    mig: z.string().min(1).optional(),
    count: z.int().min(0).max(10_000).default(1),
    /** As far as autoscaling may go. Default: `count`. */
    maxCount: z.int().min(0).max(10_000).optional(),
  })
  .refine(({ instanceType, allocatable }) => (instanceType === undefined) !== (allocatable === undefined), {
    error: "a pool has either an instanceType or allocatable: write one of them",
  })
  .refine(({ count, maxCount = count }) => maxCount >= count, {
    path: ["maxCount"],
    error: "maxCount is less than count: write a number that is at least count, which is 1 where left out",
  });

const release = z.custom<Release>(
  (value) => typeof value === "string" && /^\d\d\.(0[1-9]|1[0-2])$/.test(value) && value >= oldestRelease,
  {
    error: `this is no release of Triton's container that is known here: write it like "${newestRelease}", ${oldestRelease} or later`,
  },
);

const localSchema = z.strictObject({
  /** Where state, logs, sockets and repositories of this machine go; relative to the project. */
  directory: z.string().min(1).default(".local"),
  /** The balancer's HTTP port. */
  httpPort: port.default(8000),
  /** The balancer's gRPC port; the server group is chosen by the metadata `x-triton-server`. */
  grpcPort: port.default(8001),
  /** The balancer's statistics (/stats) and metrics (/metrics). */
  metricsPort: port.default(8002),
  prometheusPort: port.default(9090),
  /** A Grafana that this machine has, or Docker's image of it: shows the dashboards to whoever is on this machine. */
  grafana: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Not its usual one, 3000, where a Grafana that is installed as a service listens. */
      port: port.default(3080),
      /** What Docker runs where no Grafana is installed. */
      image: grafanaImage,
    })
    .prefault({}),
  /** First of the balancer's gRPC ports that lead to one server group each, sorted by name. */
  serverGrpcPorts: port.default(8010),
  /** First of the ports of the Tritons: 30 for each server, of which a replica takes three (HTTP, gRPC, metrics). */
  replicaPorts: port.default(18000),
  /** The LLM simulator that stands in for HolySheep while there is no key. */
  simulatorPort: port.default(18900),
});

/** What is counted on, for what a plan says about money; nothing is sized by it. */
const usageSchema = z.strictObject({
  /** All models and replicas together, on average: measured (docs/benchmarks.md) or expected. */
  inferencesPerSecond: z.number().positive().optional(),
  /** A result of `npm run bench`, relative to the project: what each model sustains under its latency objective. */
  benchmark: z.string().min(1).optional(),
  /** Of the LLM API, prompts and answers together. */
  tokensPerMonth: z.number().min(0).optional(),
});

const holysheepSchema = z.strictObject({
  /** OpenAI-compatible API, up to and including its version. */
  baseUrl: z.url({
    protocol: /^https?$/,
    error: "this is no URL: write it like https://api.holysheep.ai/v1",
  }),
  model: z.string().min(1),
  /** A secret; known here so that it can be misspelt, and never part of what is read. */
  apiKey: z
    .unknown()
    .optional()
    .transform(() => undefined),
});

export const targets = ["local", "docker", "kubernetes", "eks"] as const;

const platformFields = z.strictObject({
  target: z.enum(targets),
  /** What the stack is for: policies are more or less strict by it. Default: the tag of the target `eks`, else `dev`. */
  environment: z.enum(environments).optional(),
  /** Folder with one folder per model, relative to the project. */
  models: z.string().min(1).default("models"),
  /** Release of Triton's container that serves the models, YY.MM: models are checked by its rules. */
  tritonRelease: release.default(newestRelease),
  /** Backends that its image has besides NVIDIA's. */
  customBackends: z.array(z.string().min(1)).default([]),
  /** Repository agents that its image has besides NVIDIA's. */
  customAgents: z.array(z.string().min(1)).default([]),
  servers: z
    .record(
      z
        .string()
        .regex(
          /^[a-z]([a-z0-9-]*[a-z0-9])?$/,
          "this is no name for a server: use lower-case letters, digits and -",
        ),
      serverSchema,
    )
    .default({}),
  /** The server that answers calls that name no model, and serves every model no other server lists. */
  defaultServer: z.string().min(1),
  /** The machines that replicas run on, by pool; with them, it is checked that all find room. */
  nodes: z.record(z.string().min(1), nodePoolSchema).default({}),
  usage: usageSchema.prefault({}),
  local: localSchema.prefault({}),
  /** Looked at by the target `docker`, which needs none of it. */
  docker: dockerSchema.optional(),
  /** Needed by the target `kubernetes`; on `eks` it says what is another than usual. */
  kubernetes: kubernetesSectionSchema.optional(),
  /** Needed by the target `eks`. */
  eks: eksSchema.optional(),
  monitoring: monitoringSchema.prefault({}),
  holysheep: holysheepSchema,
});

export const platformSchema = platformFields
  .refine(({ target, kubernetes }) => target !== "kubernetes" || kubernetes !== undefined, {
    path: ["kubernetes"],
    error: "missing, and the target kubernetes needs it: name at least `repository`, where models come from",
  })
  .refine(
    ({ target, kubernetes }) =>
      target !== "kubernetes" || kubernetes === undefined || kubernetes.repository !== undefined,
    {
      path: ["kubernetes", "repository"],
      error: "missing: say where models come from, like `{ source: s3, bucket: models }`",
    },
  )
  .refine(({ target, eks }) => target !== "eks" || eks !== undefined, {
    path: ["eks"],
    error: "missing, and the target eks needs it: name at least `account`, `region` and `tags`",
  })
  .refine((config) => !servesModels(config) || Object.keys(config.servers).length > 0, {
    path: ["servers"],
    error: "there is no server: add one, like `gpu: { replicas: 2 }`",
  })
  .refine(({ target, monitoring }) => target === "local" || monitoring.speedUp === 1, {
    path: ["monitoring", "speedUp"],
    error:
      "windows this short would wake people for nothing: remove it, it is for drills on the target local",
  })
  .refine(({ target, monitoring }) => target !== "local" || monitoring.prometheus === undefined, {
    path: ["monitoring", "prometheus"],
    error: "the target local has a Prometheus of its own: remove it",
  });

/** Whether a stack deploys models: one that makes a network or a cluster alone does not. */
export function servesModels({ target, eks }: Pick<PlatformConfig, "target" | "eks">): boolean {
  return target !== "eks" || eks === undefined || eks.layers.includes("workload");
}

export type PlatformConfig = Readonly<z.output<typeof platformFields>>;
export type LocalConfig = PlatformConfig["local"];
export type NodeConfig = PlatformConfig["nodes"][string];
/** Fields a server group may have in a stack's config. */
export type ServerConfig = PlatformConfig["servers"][string];

/**
 * Reads the platform's config from a stack's: plain values by `namespace:key`. Servers come sorted by name, whatever
 * the order they were written or delivered in. `file` names the stack's file in problems.
 */
export function parsePlatform(
  values: Readonly<Record<string, unknown>>,
  file: string,
): Parsed<PlatformConfig> {
  const section = (namespace: string): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(values).flatMap(([key, value]) =>
        key.startsWith(`${namespace}:`) ? [[key.slice(namespace.length + 1), value]] : [],
      ),
    );
  const document = { ...section("triton-platform"), holysheep: section("holysheep") };
  const parsed = parseValue(platformSchema, document, file);
  if ("problems" in parsed) {
    return { problems: parsed.problems.map((problem) => ({ ...problem, path: configKey(problem.path) })) };
  }
  const servers = Object.entries(parsed.value.servers).sort(([a], [b]) => compare(a, b));
  return { value: { ...parsed.value, servers: Object.fromEntries(servers) } };
}

/** The section of the target `kubernetes`, which the schema demands for it. */
export function kubernetesOf({ kubernetes }: PlatformConfig): KubernetesConfig {
  if (kubernetes?.repository === undefined)
    throw new Error("the schema lets no target kubernetes without its section through");
  return { ...kubernetes, repository: kubernetes.repository };
}

/** The section of the target `docker`; all of it has defaults. */
export function dockerOf({ docker }: PlatformConfig): DockerConfig {
  return docker ?? dockerSchema.parse({});
}

/** The section of the target `eks`, which the schema demands for it. */
export function eksOf({ eks }: PlatformConfig): EksConfig {
  if (eks === undefined) throw new Error("the schema lets no target eks without its section through");
  return eks;
}

/** `servers.gpu` as the stack's file has it: `triton-platform:servers.gpu`; `holysheep.model` as `holysheep:model`. */
function configKey(path: string): string {
  return path.startsWith("holysheep.") ? path.replace(".", ":") : `triton-platform:${path}`;
}
