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
import { metricsPort } from "../../../core/local/plan.ts";
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
import type { MetricsSource } from "./metrics.ts";

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
  /** Of a cluster: what a Job inside it needs to know. */
  readonly cluster?: ClusterJobOptions["kubernetes"];
  /** As text, of a cluster that a stack has made and a Job is to run in. Others are kubectl's own matter. */
  readonly kubeconfig?: string;
}

export interface Group {
  readonly replicas: number;
  readonly repositoryHash: string;
  readonly pricePerHour?: number;
  readonly metrics: readonly MetricsSource[];
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
      return {
        ...(await clusterTarget(stack, workload.platform, workload.kubernetes, options)),
        ...(options.inCluster && !options.isPlan ? { kubeconfig: await kubeconfigOf(stack) } : {}),
      };
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
          metrics: replicas.map((replica) => ({ replica: replica.name, url: metricsUrl(replica.http) })),
        },
      ]),
    ),
  };
}

function metricsUrl(http: string): string {
  const { hostname, port } = new URL(http);
  return `http://${hostname}:${String(metricsPort({ httpPort: Number(port) }))}/metrics`;
}

const dockerInfoSchema = z.object({ NCPU: z.number(), MemTotal: z.number() });

async function dockerTarget(stack: NamedStack, options: TargetOptions): Promise<BenchTarget> {
  const { plan, docker } = planDockerStack(stack);
  const { endpoints, servers } = plan.description;
  const isHere = docker.host.startsWith("unix:");
  return {
    ...{ target: "docker", stack: stack.stack, config: stack.config },
    endpoint: endpointWith(endpoints, options),
    models: served(plan.servers),
    groups: new Map(
      plan.servers.map(({ name, replicas }) => [
        name,
        { replicas, repositoryHash: hashIn(servers, name), metrics: [] },
      ]),
    ),
    ...imageIn(plan.containers.filter(({ service }) => service === "triton").map(({ image }) => image)),
    hardware: withGpus(isHere ? hereHardware() : await dockerHardware(docker.host), plan.servers),
    notes: [unreachableMetrics],
  };
}

const unreachableMetrics =
  "Triton's own metrics are not reachable from here: points have no queue and compute times, and no GPUs";

async function dockerHardware(host: string): Promise<BenchTarget["hardware"]> {
  try {
    const info = await new DockerCli(host).run(["info", "--format", "{{json .}}"]);
    const { NCPU, MemTotal } = dockerInfoSchema.parse(JSON.parse(info));
    return { processor: "unknown", cores: NCPU, memoryBytes: MemTotal, gpus: [] };
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new UserError(
      `Docker on ${host} does not answer: ${error.words}`,
      `try docker --host ${host} version`,
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
    ...{ target: config.target, stack: stack.stack, config, cluster: sectionOf(config) },
    endpoint: endpointWith(known, options),
    models: served(servers),
    groups: new Map(
      servers.map((server) => {
        const pricePerHour = groupPrice(server, types, regional);
        const group = {
          replicas: server.replicas,
          repositoryHash: hashIn(description.servers, server.name),
          metrics: [],
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
    notes: [
      unreachableMetrics,
      ...(types.length === 0
        ? ["the config names no EC2 type of its nodes: processor, cores and memory are not known"]
        : []),
    ],
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

/** Of the stack that has made the cluster, this one or the one below it. */
async function kubeconfigOf({ stack, config }: NamedStack): Promise<string> {
  const { engine } = await setUp(["engine"]);
  return readKubeconfig(engine, config.eks?.baseStack ?? stack);
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
