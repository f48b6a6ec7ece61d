import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { linearRegression, linearRegressionLine, median, rSquared } from "simple-statistics";
import * as z from "zod";
import { eksOf } from "../../core/spec/platform.ts";
import { relock } from "../local/build.ts";
import { projectRoot } from "../setup/places.ts";
import { readStack, stackValues } from "../stack/config.ts";
import type { Section } from "./report.ts";
import { writeModels } from "./specs.ts";

/** What the program itself takes: from the start of its process to the last resource it registers. */

export interface ProgramOptions {
  readonly rounds: number;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

const measuredSchema = z.object({ milliseconds: z.number(), processor: z.number(), resources: z.number() });
type Measured = z.output<typeof measuredSchema>;

/** What program-run.mjs reads. */
interface Run {
  readonly stack: string;
  /** As the engine hands it to the program. */
  readonly config: Readonly<Record<string, string>>;
  /** Of functions, by token. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** What providers compute, by type of resource. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Loaded and nothing else: the floor. */
  readonly modules?: readonly string[];
  /** File of what is registered after that: what the SDK takes by itself. */
  readonly registered?: string;
  /** With what the program spares of the SDK (components/lean-sdk.cjs) spared there too. */
  readonly lean?: boolean;
  /** Where a run of the program writes what it registers. */
  readonly record?: string;
}

const nothing = { config: {}, answers: {}, outputs: {} };

/** A row per number of models, ascending; thirty of them to a server group. */
export async function kubernetesSection(sizes: readonly number[], options: ProgramOptions): Promise<Section> {
  return inFolder(async (folder) => {
    const floor = { stack: "bench", ...nothing, modules: sdkModules(["kubernetes", "repository"]) };
    const runs = sizes.map((size) => ({ stack: "bench", ...nothing, config: stackOf(folder, size) }));
    const measured = await measure(folder, floor, runs, options);
    const rows = sizes.map((size, i) => ({ models: String(size), ...rowOf(measured, i) }));
    const points = sizes.map((size, i): [number, number] => [
      size,
      measured.programs[i]?.program.milliseconds ?? 0,
    ]);
    const line = linearRegression(points);
    return {
      title: "The program, target kubernetes",
      notes: [
        ...notesOn(measured, options),
        `A further model: ${line.m.toFixed(2)} ms; R² ${rSquared(points, linearRegressionLine(line)).toFixed(4)} to a line.`,
      ],
      rows,
    };
  });
}

/** Committed stacks on AWS, whose floor loads AWS' SDK too. */
export async function eksSection(stacks: readonly string[], options: ProgramOptions): Promise<Section> {
  const apiServer = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => apiServer.listen(0, "127.0.0.1", resolve));
  const address = apiServer.address();
  const port = address === null || typeof address === "string" ? 0 : address.port;
  try {
    return await inFolder(async (folder) => {
      const modules = sdkModules(["aws", "kubernetes", "repository"]);
      const floor = { stack: "bench", ...nothing, modules };
      const runs = stacks.map((stack) => eksRun(stack, `https://127.0.0.1:${String(port)}`));
      const measured = await measure(folder, floor, runs, options);
      const rows = stacks.map((stack, i) => ({ stack, ...rowOf(measured, i) }));
      return { title: "The program, target eks", notes: notesOn(measured, options), rows };
    });
  } finally {
    apiServer.close();
  }
}

/** Medians of each kind of run, over rounds in which all take turns. */
interface AllMeasured {
  /** Node, Pulumi's language host and the same SDKs, as any program loads them. */
  readonly floor: Measured;
  /** The same, where the SDK loads what the program lets it load. */
  readonly leanFloor: Measured;
  readonly programs: readonly OneMeasured[];
}

interface OneMeasured {
  readonly program: Measured;
  /** The SDK with the same registrations and nothing else to do. */
  readonly alone: Measured;
  readonly leanAlone: Measured;
}

async function measure(
  folder: string,
  floor: Run,
  runs: readonly Run[],
  { rounds, progress, signal }: ProgramOptions,
): Promise<AllMeasured> {
  const file = (kind: string, run: Run): string => {
    const name = path.join(folder, `${kind}.json`);
    writeFileSync(name, JSON.stringify(run));
    return name;
  };
  const one = async (name: string): Promise<Measured> => {
    const script = path.join(import.meta.dirname, "program-run.mjs");
    const options = { cwd: projectRoot, cancelSignal: signal };
    const { stdout } = await execa(process.execPath, [script, name], options);
    return measuredSchema.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  };
  const made = (i: number): string => path.join(folder, `made-${String(i)}.json`);
  // Not counted: the bundle is made by the first run after a change.
  for (const [i, run] of runs.entries()) await one(file(`record-${String(i)}`, { ...run, record: made(i) }));
  const floors = { full: file("floor", floor), lean: file("lean-floor", { ...floor, lean: true }) };
  const kinds = runs.map((run, i) => ({
    program: file(`program-${String(i)}`, run),
    alone: file(`alone-${String(i)}`, { ...floor, registered: made(i) }),
    leanAlone: file(`lean-alone-${String(i)}`, { ...floor, registered: made(i), lean: true }),
  }));
  const names = [floors, ...kinds].flatMap((files) => Object.values(files));
  const results = new Map<string, Measured[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    progress(`round ${String(round + 1)} of ${String(rounds)}`);
    for (const name of names) results.get(name)?.push(await one(name));
  }
  const of = (name: string): Measured => medians(results.get(name) ?? []);
  return {
    floor: of(floors.full),
    leanFloor: of(floors.lean),
    programs: kinds.map(({ program, alone, leanAlone }) => ({
      program: of(program),
      alone: of(alone),
      leanAlone: of(leanAlone),
    })),
  };
}

function medians(runs: readonly Measured[]): Measured {
  const of = (field: keyof Measured): number => median(runs.map((run) => run[field]));
  return { milliseconds: of("milliseconds"), processor: of("processor"), resources: of("resources") };
}

function rowOf({ floor, leanFloor, programs }: AllMeasured, index: number): Section["rows"][number] {
  const measured = programs[index];
  if (measured === undefined) throw new Error("every run was measured");
  const { program, alone, leanAlone } = measured;
  return {
    resources: String(program.resources),
    "program ms": program.milliseconds,
    "against the floor": program.milliseconds / floor.milliseconds,
    "processor ms": program.processor,
    "against its floor": program.processor / floor.processor,
    "the SDK alone, processor ms": alone.processor,
    "the lean SDK alone": leanAlone.processor,
    "the program's own": program.processor - leanAlone.processor,
    "ms a resource": (program.milliseconds - leanFloor.milliseconds) / program.resources,
  };
}

/** On a machine that does other things too, processor time tells more than the clock. */
function notesOn({ floor, leanFloor }: AllMeasured, { rounds }: ProgramOptions): string[] {
  const text = ({ milliseconds, processor }: Measured): string =>
    `${milliseconds.toFixed(0)} ms, ${processor.toFixed(0)} ms of processor time`;
  return [
    `${String(rounds)} rounds, medians. Floor, Node and the same SDKs with nothing to do: ${text(floor)}.`,
    `Lean floor, where the SDK loads no more than the program lets it: ${text(leanFloor)}.`,
  ];
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "triton-platform-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every module of Pulumi's SDKs that these rooms of components/ load. */
function sdkModules(rooms: readonly string[]): string[] {
  const sources = rooms.flatMap((room) => {
    const folder = path.join(projectRoot, "components", room);
    return readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(path.join(folder, name), "utf8"));
  });
  const imports = sources.flatMap((text) => [
    ...text.matchAll(/^import (?!type)[^;]*? from "(@pulumi\/[^"]+)";$/gm),
  ]);
  return [...new Set(imports.flatMap(([, name]) => name ?? []))].sort();
}

/** A stack with thirty models to a server group, written to a folder. */
function stackOf(folder: string, size: number): Run["config"] {
  const models = path.join(folder, String(size));
  mkdirSync(models);
  writeModels(models, size);
  const names = Array.from({ length: size }, (_, i) => `model-${String(i).padStart(5, "0")}`);
  for (const name of names) relock(path.join(models, name));
  const groups: [string, object][] = [["gpu", { replicas: 2 }]];
  // Ensembles of three neighbours stay together.
  for (let first = 30; first < size; first += 30)
    groups.push([`group-${String(first)}`, { replicas: 2, models: names.slice(first, first + 30) }]);
  return {
    "triton-platform:target": "kubernetes",
    "triton-platform:models": models,
    "triton-platform:defaultServer": "gpu",
    "triton-platform:tritonRelease": "26.07",
    "triton-platform:servers": JSON.stringify(Object.fromEntries(groups)),
    "triton-platform:kubernetes": JSON.stringify({
      context: "bench",
      repository: { source: "s3", bucket: "models" },
    }),
    "holysheep:baseUrl": "https://api.example.com/v1",
    "holysheep:model": "none",
  };
}

/** A stack on an account that has all it asks for. `endpoint` stands for the cluster's API server. */
function eksRun(stack: string, endpoint: string): Run {
  const { account, cluster, network } = eksOf(readStack(stack).config);
  const zones = network !== undefined && "zones" in network ? network.zones : [];
  const [deployer] = Object.values(cluster?.access ?? {});
  const config = Object.entries({ ...stackValues(stack), "holysheep:apiKey": "of nobody" }).map(
    ([key, value]): [string, string] => [key, typeof value === "string" ? value : JSON.stringify(value)],
  );
  return {
    stack,
    config: Object.fromEntries(config),
    answers: {
      "aws:index/getCallerIdentity:getCallerIdentity": { accountId: account, arn: deployer?.principalArn },
      "aws:index/getAvailabilityZones:getAvailabilityZones": { names: zones, zoneIds: zones },
      "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": { locations: zones },
      "aws:servicequotas/getServiceQuota:getServiceQuota": { value: 10_000 },
    },
    outputs: {
      "aws:eks/cluster:Cluster": {
        endpoint,
        certificateAuthority: { data: "" },
        identities: [{ oidcs: [{ issuer: "https://oidc.example.com" }] }],
        vpcConfig: { clusterSecurityGroupId: "sg-0123456789abcdef0" },
      },
      "aws:eks/nodeGroup:NodeGroup": { resources: [{ autoscalingGroups: [{ name: "group" }] }] },
    },
  };
}
