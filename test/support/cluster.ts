import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type * as z from "zod";
import { clusterProblem, missingClusterPackages } from "../../commands/setup/cluster.ts";
import { withLock } from "../../commands/setup/lock.mjs";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { clusterImage, clusterImageName } from "./cluster-image.ts";
import {
  endPods,
  endProcesses,
  readMachine,
  removeTree,
  restoreMachine,
  runsKubelet,
  saveMachine,
} from "./cluster-remains.ts";
import { freePorts } from "./platform.ts";
import { projectRoot } from "./tools.ts";

const toolchain = process.env.TRITON_TOOLCHAIN;

/** What this machine lacks for a `SimulatedCluster`; empty where nothing is missing. */
export const missingForSimulated: readonly string[] = toolchain === undefined ? ["TRITON_TOOLCHAIN"] : [];

/** What this machine lacks for a `RealCluster`; empty where nothing is missing. */
export const missingForReal: readonly string[] = [...missingForSimulated, ...missingOnMachine()];

function missingOnMachine(): readonly string[] {
  const problem = clusterProblem();
  if (problem !== undefined) return [problem];
  const hasTriton = readyTools(placesIn(projectRoot)).triton !== undefined;
  return [...missingClusterPackages(), ...(hasTriton ? [] : ["the project's Triton"])];
}

/** Name of a suite that needs a cluster: where it is skipped, it says what is missing. */
export function clusterSuite(name: string, missing: readonly string[]): string {
  return missing.length === 0 ? name : `${name} (skipped, missing: ${missing.join(", ")})`;
}

export interface WaitOptions {
  /** Milliseconds until it gives up; 60,000 where left out. */
  readonly timeout?: number;
  /** Milliseconds between two looks; 250 where left out. */
  readonly interval?: number;
}

/**
 * Looks until there is something else than undefined or false, and returns it. What a look throws counts as not
 * there yet. After the timeout the error says what was awaited, and what the last look threw.
 */
export async function waitFor<T>(
  awaited: string,
  look: () => Promise<T | undefined | false>,
  { timeout = 60_000, interval = 250 }: WaitOptions = {},
): Promise<T> {
  const deadline = Date.now() + timeout;
  for (;;) {
    let failure: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (error) {
      failure = error;
    }
    if (Date.now() >= deadline) {
      const last = failure instanceof Error ? `; the last look: ${failure.message}` : "";
      throw new Error(`waited ${String(timeout / 1000)} s in vain for ${awaited}${last}`, { cause: failure });
    }
    await sleep(interval);
  }
}

/** A throw-away Kubernetes cluster of a test's own. */
export abstract class Cluster {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;

  protected constructor(readonly directory: string) {
    this.kubeconfig = path.join(directory, "kubeconfig");
  }

  /** Runs kubectl and returns its standard output; a failure is an error with what kubectl said. */
  async kubectl(...args: readonly string[]): Promise<string> {
    return this.#kubectl(args);
  }

  /** The answer of a kubectl command that knows `--output=json`, as in `read(schema, "get", "pods")`. */
  async read<T>(schema: z.ZodType<T>, ...args: readonly string[]): Promise<T> {
    const answer: unknown = JSON.parse(await this.#kubectl([...args, "--output=json"]));
    return schema.parse(answer);
  }

  /** Creates or changes objects; the API server refuses fields it does not know. */
  async apply(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await this.#kubectl(["apply", "--validate=strict", "--filename=-"], JSON.stringify(list));
  }

  /** The same by the server itself, which knows custom resources, and objects too large for an annotation. */
  async applyOnServer(objects: readonly object[]): Promise<void> {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await this.#kubectl(
      ["apply", "--server-side", "--validate=strict", "--filename=-"],
      JSON.stringify(list),
    );
  }

  /** Stops everything and removes it, whatever state it is in. */
  async stop(): Promise<void> {
    await takeDown(this.directory);
  }

  async #kubectl(args: readonly string[], input = ""): Promise<string> {
    const program = path.join(await programsFolder(), "kubectl");
    const result = await execa(program, ["--kubeconfig", this.kubeconfig, ...args], {
      input,
      timeout: 120_000,
    });
    return result.stdout;
  }
}

export interface SimulatedGpuNode {
  /** The last letter is its zone in us-east-1. */
  readonly name: string;
  readonly instanceType: string;
  readonly gpus: number;
  /** The label `nvidia.com/gpu.product`. */
  readonly product: string;
  readonly memoryMiB: number;
}

export interface SimulatedCpuNode {
  readonly name: string;
  readonly instanceType: string;
  readonly cpus: number;
  readonly memoryGiB: number;
}

/**
 * Real API server, scheduler and controllers on free ports of the loopback address; nodes are simulated, and pods on
 * them are ready at once. Several may run at the same time. Starts in about six seconds, without nodes.
 */
export class SimulatedCluster extends Cluster {
  static async start(): Promise<SimulatedCluster> {
    return new SimulatedCluster(await bringUp("up"));
  }

  /** 96 CPUs, 1152 GiB, and the taint `nvidia.com/gpu=present:NoSchedule`. */
  async addGpuNode({ name, instanceType, gpus, product, memoryMiB }: SimulatedGpuNode): Promise<void> {
    const shape = [name, instanceType, String(gpus), product, String(memoryMiB)];
    await runCluster("gpu-node", this.directory, ...shape);
  }

  async addCpuNode({ name, instanceType, cpus, memoryGiB }: SimulatedCpuNode): Promise<void> {
    await runCluster("cpu-node", this.directory, name, instanceType, String(cpus), String(memoryGiB));
  }
}

/**
 * One real node, `real-1a`, with containerd, kubelet, Services and DNS, and the image of cluster-image.ts. One at a
 * time on a machine. The host reaches pods and Services by their addresses; pods reach the host at `hostAddress`.
 */
export class RealCluster extends Cluster {
  /** Where pods find what listens on the host, if it listens there or on all addresses. */
  static readonly hostAddress = "10.254.0.1";

  static async start(): Promise<RealCluster> {
    // Made first: where that fails, nothing is running.
    const image = await clusterImage(requireToolchain());
    const cluster = new RealCluster(await bringUp("up-real"));
    try {
      await runCluster("load", cluster.directory, image);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Gives the test image further names, so that each role has an image of its own. */
  async nameImage(...names: readonly string[]): Promise<void> {
    const { cluster } = readyTools(placesIn(projectRoot));
    const address = ["--address", path.join(this.directory, "node", "containerd.sock")];
    await execa(cluster?.ctr ?? "ctr", [
      ...[...address, "--namespace", "k8s.io"],
      ...["images", "tag", "--force", clusterImageName, ...names],
    ]);
  }
}

/** In the name of a cluster's folder stands the process that started it. */
const folderPrefix = "triton-platform-cluster-";
/** How the machine of a real node was before. */
const machineFile = "machine.json";

async function bringUp(verb: "up" | "up-real"): Promise<string> {
  await sweep();
  if (verb === "up-real" && runsKubelet())
    throw new Error("a kubelet is running here: a machine has room for one node");
  const directory = mkdtempSync(path.join(tmpdir(), `${folderPrefix}${String(process.pid)}-`));
  if (verb === "up-real") saveMachine(path.join(directory, machineFile));
  try {
    const [port = 0] = await freePorts(1, 3);
    await runCluster(verb, directory, String(port));
  } catch (error) {
    await takeDown(directory);
    throw error;
  }
  return directory;
}

/** Takes down what killed tests have left. */
async function sweep(): Promise<void> {
  await withLock("clusters", projectRoot, async () => {
    for (const name of readdirSync(tmpdir())) {
      if (!name.startsWith(folderPrefix)) continue;
      const [pid = ""] = name.slice(folderPrefix.length).split("-");
      if (!existsSync(`/proc/${pid}`)) await takeDown(path.join(tmpdir(), name));
    }
  });
}

/**
 * Not by `cluster down`, which waits for each program and gives up where one has died before: nothing of a cluster is
 * worth an orderly end.
 */
async function takeDown(directory: string): Promise<void> {
  const file = path.join(directory, machineFile);
  const machine = existsSync(file) ? readMachine(file) : undefined;
  await waitFor(`the end of the programs of ${directory}`, () => Promise.resolve(endProcesses(directory)));
  if (machine !== undefined) {
    await waitFor("the end of all pods", () => Promise.resolve(endPods()));
    await restoreMachine(machine);
  }
  await removeTree(directory);
}

async function runCluster(verb: string, directory: string, ...args: readonly string[]): Promise<void> {
  await execa(path.join(requireToolchain(), "cluster"), [verb, directory, ...args], {
    stdin: "ignore",
    timeout: 240_000,
  });
}

let programs: Promise<string> | undefined;

/** The folder with kubectl. */
function programsFolder(): Promise<string> {
  programs ??= execa(path.join(requireToolchain(), "unpack")).then(({ stdout }) => stdout.trim());
  return programs;
}

function requireToolchain(): string {
  if (toolchain === undefined) throw new Error("TRITON_TOOLCHAIN is not set");
  return toolchain;
}
