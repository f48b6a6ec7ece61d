import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import { DockerCli, DockerError } from "../../../components/docker/cli.ts";
import type { ServedModel } from "../../../core/benchmark/load-plan.ts";
import { groupPrice } from "../../../core/benchmark/price.ts";
import type { Benchmark } from "../../../core/benchmark/result.ts";
import { sectionOf } from "../../../core/aws/workload.ts";
import { ec2Types } from "../../../core/capacity/nodes.ts";
import { regionPrices } from "../../../core/cost/items.ts";
import { prices } from "../../../core/cost/prices.ts";
import type { KubernetesPlan } from "../../../core/kubernetes/plan.ts";
import { metricsPort, type LocalServerDescription } from "../../../core/local/plan.ts";
import { omit } from "../../../core/objects.ts";
import type { PlatformPlan, ServerPlan } from "../../../core/platform.ts";
import type { Model } from "../../../core/spec/load.ts";
import type { PlatformConfig } from "../../../core/spec/platform.ts";
import { refuse } from "../../../core/spec/problem.ts";
import { servedVersions } from "../../../core/triton/repository.ts";
import { openHome, readLocalConfig, stackName } from "../../local/home.ts";
import { findRunning } from "../../local/running.ts";
import { setUp } from "../../setup/set-up.ts";
import { UserError } from "../../setup/user-error.ts";
import { readStack, type NamedStack } from "../../stack/config.ts";
import { planDockerStack } from "../../stack/docker.ts";
import { planEksStack } from "../../stack/eks.ts";
import { endpointWith, type EndpointOptions, type StackEndpoint } from "../../stack/endpoint.ts";
import { planStack } from "../../stack/kubernetes.ts";
import { modelsOf } from "../../stack/models.ts";
import { readKubeconfig, readOutputs } from "../../stack/outputs.ts";
import { thisMachine } from "../report.ts";
import type { ClusterJobOptions } from "./cluster-job.ts";
import { dockerReplicas, type ContainerHost } from "./container-hosts.ts";
import { fixedReplicas, noReplicas, type Replica, type Replicas } from "./replicas.ts";

/** What is measured: a platform that is up, as its description, plan and outputs know it. */
export interface BenchTarget {
  /** `local`, `docker`, `kubernetes` or `eks`. */
  readonly target: string;
  readonly stack: string;
  readonly endpoint: StackEndpoint;
  readonly models: readonly ServedModel[];
  /** Server groups by name. */
  readonly groups: ReadonlyMap<string, Group>;
  readonly image?: string;
  readonly hardware: Benchmark["environment"]["hardware"];
  readonly config: PlatformConfig;
  /** What is not known of it. */
  readonly notes: readonly string[];
  /** Those that this machine reaches: none of a stack. */
  readonly replicas: Replicas;
  /** Of a Docker host. */
  readonly docker?: ContainerHost;
  /** Of a cluster that kubectl reaches: also what a Job inside it needs to know. */
  readonly cluster?: ClusterJobOptions["kubernetes"];
  /** As text, of a cluster that a stack has made. Others are kubectl's own matter. */
  readonly kubeconfig?: string;
}

export interface Group {
  readonly replicas: number;
  readonly repositoryHash: string;
  readonly pricePerHour?: number;
}

export interface TargetOptions extends EndpointOptions {
  readonly target: string;
  /** Whether the load comes from inside the cluster. */
  readonly inCluster: boolean;
  /** Whether nothing is to be called: stacks that are not deployed yet will do. */
  readonly isPlan?: boolean;
}

/** The platform of this machine, or a stack by its name. */
export async function benchTarget(options: TargetOptions): Promise<BenchTarget> {
  if (options.target === stackName) return localTarget(options);
  const stack = readStack(options.target);
  const { target } = stack.config;
  if (options.inCluster && target !== "kubernetes" && target !== "eks")
    throw new UserError(
      `The stack \`${stack.stack}\` runs on the target ${target}, and --in-cluster is for a cluster`,
      "leave --in-cluster out",
    );
  switch (stack.config.target) {
    case "docker":
      return dockerTarget(stack, options);
    case "kubernetes": {
      const { platform, plan } = planStack(stack);
      return clusterTarget(stack, platform, plan, options);
    }
    case "eks": {
      const { workload } = planEksStack(stack).plan;
      if (workload === undefined)
        throw new UserError(
          `The stack \`${stack.stack}\` deploys no models`,
          "name the stack whose layers have `workload`",
        );
      const target = await clusterTarget(stack, workload.platform, workload.kubernetes, options);
      return options.isPlan ? target : withStackCluster(target, stack, options);
    }
    case "local":
      throw new UserError(
        `The stack \`${stack.stack}\` has the target local, of which each machine has one`,
        "write --target local",
      );
  }
}

function localTarget(options: TargetOptions): BenchTarget {
  const running = findRunning();
  if (running === undefined)
    throw new UserError("Nothing runs on this machine, so there is nothing to measure", "npm start first");
  const { config, hasApiKey } = readLocalConfig(openHome());
  const { servers, endpoints } = running.description;
  const { value: specs, problems } = modelsOf(config);
  refuse(problems);
  return {
    ...{ target: "local", stack: stackName, config, hardware: hereHardware(), notes: [] },
    endpoint: endpointWith(endpoints, options),
    models: servers.flatMap(({ name, models }) =>
      models.flatMap((served) => {
        const model = specs.find(({ spec }) => spec.name === served.name);
        return model === undefined ? [] : [servedModel(model, name, served.versions, hasApiKey)];
      }),
    ),
    groups: new Map(
      servers.map(({ name, replicas, repositoryHash }) => [
        name,
        {
          replicas: replicas.length,
          repositoryHash,
        },
      ]),
    ),
    replicas: fixedReplicas(new Map(servers.map(({ name, replicas }) => [name, replicas.map(replicaHere)]))),
  };
}

const replicaTimeoutMs = 2_000;

function replicaHere({ name, http }: LocalServerDescription["replicas"][number]): Replica {
  const metrics = new URL(http);
  metrics.port = String(metricsPort({ httpPort: Number(metrics.port) }));
  return {
    name,
    async get(port, path) {
      const url = new URL(path, port === "http" ? http : metrics);
      const response = await fetch(url, { signal: AbortSignal.timeout(replicaTimeoutMs) });
      if (response.ok) return response.text();
      throw new Error(`${url.href} answers ${String(response.status)}`);
    },
  };
}

const dockerInfoSchema = z.object({ NCPU: z.number(), MemTotal: z.number() });

async function dockerTarget(stack: NamedStack, options: TargetOptions): Promise<BenchTarget> {
  const { plan, docker } = planDockerStack(stack);
  const { endpoints, servers } = plan.description;
  const isHere = docker.host.startsWith("unix:");
  const cli = new DockerCli(docker.host);
  return {
    ...{ target: "docker", stack: stack.stack, config: stack.config },
    endpoint: endpointWith(endpoints, options),
    models: served(plan.servers),
    groups: new Map(
      plan.servers.map(({ name, replicas }) => [name, { replicas, repositoryHash: hashIn(servers, name) }]),
    ),
    ...imageIn(plan.containers.filter(({ service }) => service === "triton").map(({ image }) => image)),
    hardware: withGpus(isHere ? hereHardware() : await dockerHardware(cli), plan.servers),
    notes: [],
    ...{ replicas: noReplicas, docker: dockerReplicas(cli, stack.stack) },
  };
}

async function dockerHardware(docker: DockerCli): Promise<BenchTarget["hardware"]> {
  try {
    const info = await docker.run(["info", "--format", "{{json .}}"]);
    const { NCPU, MemTotal } = dockerInfoSchema.parse(JSON.parse(info));
    return { processor: "unknown", cores: NCPU, memoryBytes: MemTotal, gpus: [] };
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new UserError(
      `Docker on ${docker.host} does not answer: ${error.words}`,
      `try docker --host ${docker.host} version`,
    );
  }
}

async function clusterTarget(
  stack: NamedStack,
  { servers }: Pick<PlatformPlan, "servers">,
  kubernetes: KubernetesPlan,
  options: TargetOptions,
): Promise<BenchTarget> {
  const { config } = stack;
  const { description } = kubernetes;
  const known = options.inCluster
    ? description.endpoints
    : await outsideOf(stack.stack, description.endpoints, options);
  const types = instanceTypesOf(config);
  const region = config.eks?.region ?? "us-east-1";
  const { prices: regional } = regionPrices(prices, region);
  const hardware = nodeHardware(types);
  return {
    ...{ target: config.target, stack: stack.stack, config },
    ...{ replicas: noReplicas, cluster: sectionOf(config) },
    endpoint: endpointWith(known, options),
    models: served(servers),
    groups: new Map(
      servers.map((server) => {
        const pricePerHour = groupPrice(server, types, regional);
        const group = {
          replicas: server.replicas,
          repositoryHash: hashIn(description.servers, server.name),
          ...(pricePerHour === undefined ? {} : { pricePerHour }),
        };
        return [server.name, group];
      }),
    ),
    ...imageIn(
      kubernetes.servers.flatMap(({ objects }) =>
        objects.deployment.spec.template.spec.containers.flatMap(({ image }) => image ?? []),
      ),
    ),
    hardware: withGpus(hardware, servers),
    notes:
      types.length === 0
        ? ["the config names no EC2 type of its nodes: processor, cores and memory are not known"]
        : [],
  };
}

/** The balancer as it is called from outside, by the stack's outputs: Pulumi's state is asked, the login is the user's own. */
async function outsideOf(
  stack: string,
  planned: Pick<StackEndpoint, "http" | "grpc">,
  { http, grpc }: EndpointOptions,
): Promise<Pick<StackEndpoint, "http" | "grpc">> {
  // Given whole: the state is not asked.
  if (http !== undefined && grpc !== undefined) return planned;
  const { engine } = await setUp(["engine"]);
  const { endpoints } = await readOutputs(engine, stack);
  if (!new URL(endpoints.http).hostname.endsWith(".svc")) return endpoints;
  throw new UserError(
    `The balancer of \`${stack}\` has no address outside its cluster`,
    "run kubectl port-forward svc/triton-balancer 8000 8001 and write --http localhost:8000 --grpc localhost:8001, or measure with --in-cluster",
  );
}

/** The cluster is that of the stack which has made it, this one or the one below it, whatever kubectl's own is. */
async function withStackCluster(
  target: BenchTarget,
  { stack, config }: NamedStack,
  { inCluster }: TargetOptions,
): Promise<BenchTarget> {
  try {
    const { engine } = await setUp(["engine"]);
    return { ...target, kubeconfig: await readKubeconfig(engine, config.eks?.baseStack ?? stack) };
  } catch (error) {
    // A load from outside needs it for Triton's metrics alone.
    if (inCluster || !(error instanceof UserError)) throw error;
    const note = `Triton's own metrics cannot be read: ${error.message}\n  → ${error.hint}`;
    return { ...omit(target, "cluster"), notes: [...target.notes, note] };
  }
}

function instanceTypesOf({ nodes, eks }: PlatformConfig): readonly string[] {
  const others = Object.values(eks?.nodeGroups ?? {}).flatMap((group) => group.otherInstanceTypes);
  return [...Object.values(nodes).flatMap(({ instanceType }) => instanceType ?? []), ...others];
}

/** Of the largest node type that is named: where a group with GPUs runs. */
function nodeHardware(types: readonly string[]): BenchTarget["hardware"] {
  const known = ec2Types.filter(({ name }) => types.includes(name));
  const [largest] = [...known].sort((a, b) => b.gpus - a.gpus || b.vcpus - a.vcpus);
  return largest === undefined
    ? { processor: "unknown", cores: 1, memoryBytes: 0, gpus: [] }
    : {
        ...{ processor: largest.name, cores: largest.vcpus, memoryBytes: largest.memory, gpus: [] },
        instanceType: largest.name,
      };
}

function withGpus(
  hardware: BenchTarget["hardware"],
  servers: readonly Pick<ServerPlan, "devices" | "replicas">[],
): BenchTarget["hardware"] {
  const gpus = servers.flatMap(({ devices, replicas }) =>
    devices === undefined
      ? []
      : Array.from({ length: devices.devices * replicas }, () => ({
          product: devices.accelerator.name,
          memoryBytes: devices.accelerator.slice?.memory ?? devices.accelerator.gpu.memory,
        })),
  );
  return { ...hardware, gpus };
}

function hereHardware(): BenchTarget["hardware"] {
  const { processor, cores, memoryGiB } = thisMachine();
  return { processor, cores, memoryBytes: memoryGiB * 1024 ** 3, gpus: [] };
}

function served(servers: readonly ServerPlan[]): ServedModel[] {
  return servers.flatMap(({ name, models }) =>
    models.map((model) => servedModel(model, name, servedVersions(model), true)),
  );
}

/** A request that a model's team keeps with it: what a client POSTs. */
export const payloadFilename = "benchmark.json";

/** `paysUpstream`: whether its API is the real one. */
function servedModel(
  { spec, directory }: Model,
  server: string,
  versions: readonly number[],
  paysUpstream: boolean,
): ServedModel {
  const file = path.join(directory, payloadFilename);
  return {
    ...{ spec, server, version: String(Math.max(1, ...versions)) },
    costs: spec.upstream !== undefined && paysUpstream,
    ...(existsSync(file) ? { payloadFile: { file: payloadFilename, text: readFileSync(file, "utf8") } } : {}),
  };
}

function hashIn(
  servers: readonly { readonly name: string; readonly repositoryHash: string }[],
  name: string,
): string {
  return servers.find((server) => server.name === name)?.repositoryHash ?? "";
}

/** Groups may have images of their own; results name all of them. */
function imageIn(images: readonly string[]): Pick<BenchTarget, "image"> {
  const names = [...new Set(images)].sort().join(", ");
  return names === "" ? {} : { image: names };
}
