import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { benchmarkSchema, type Benchmark, type Series } from "../../../core/benchmark/result.ts";
import { present } from "../../../core/objects.ts";
import { sha256 } from "../../../core/spec/artifacts.ts";
import { replaceFile } from "../../files/replace.ts";
import { userPath } from "../../files/user-path.ts";
import { projectRoot } from "../../setup/places.ts";
import type { LoadGenerator } from "./generator.ts";
import type { MeasuredSeries } from "./run.ts";
import type { BenchTarget } from "./target.ts";

/** What is the same from the first series to the last. */
export interface Frame {
  readonly id: string;
  readonly started: Date;
  readonly target: BenchTarget;
  readonly tritonVersion: string;
  readonly commit: string | undefined;
  /** As the user asked for it. */
  readonly load: Readonly<Record<string, unknown>>;
  readonly generatorOf: (series: MeasuredSeries["planned"]) => LoadGenerator;
  /** Of a model on one replica, by its name. */
  readonly instances: ReadonlyMap<string, number>;
}

/** `20261128T210700Z-1a2b3c` */
export function newId(now: Date): string {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, "");
  return `${time}-${randomBytes(3).toString("hex")}`;
}

export function resultOf(frame: Frame, measured: readonly MeasuredSeries[], now: Date): Benchmark {
  const { target, started, tritonVersion, commit } = frame;
  const series = measured.map((each) => seriesOf(frame, each));
  const [first] = measured;
  if (first === undefined) throw new Error("a result has a series at least");
  const generator = generatorFacts(frame.generatorOf(first.planned));
  return benchmarkSchema.parse({
    format: "triton-platform/benchmark/1",
    id: frame.id,
    startedAt: started.toISOString(),
    finishedAt: now.toISOString(),
    environment: {
      ...{ target: target.target, stack: target.stack, generator, hardware: target.hardware },
      triton: { version: tritonVersion, ...present({ image: target.image }) },
      ...present({ commit }),
    },
    configuration: { platform: platformFacts(target), load: plain(frame.load) },
    series: series.map(({ generator: own, ...rest }) =>
      own === undefined || JSON.stringify(own) === JSON.stringify(generator)
        ? rest
        : { ...rest, generator: own },
    ),
  });
}

function seriesOf(frame: Frame, { planned, points, stopped, mix }: MeasuredSeries): Series {
  const { model, payload } = planned;
  const group = frame.target.groups.get(model.server);
  return {
    ...{ model: model.spec.name, version: model.version, server: model.server },
    ...{ protocol: planned.protocol, batchSize: planned.batchSize },
    ...present({ mix, pricePerHour: group?.pricePerHour, latencyP99LimitMs: planned.latencyP99LimitMs }),
    payload: { source: payload.source, sha256: payload.sha256, bytes: payload.bytes },
    generator: generatorFacts(frame.generatorOf(planned)),
    specHash: sha256(JSON.stringify(model.spec)),
    repositoryHash: group?.repositoryHash ?? "",
    replicas: group?.replicas ?? 1,
    instances: frame.instances.get(model.spec.name) ?? 1,
    points: [...points],
    stopped,
  };
}

function generatorFacts({ name, version, from }: LoadGenerator): NonNullable<Series["generator"]> {
  return { name, version, from };
}

/** What decides on speed: the groups, and how each model batches. Keys, hashes of them and addresses of stores are left out. */
function platformFacts({ config, models }: BenchTarget): Record<string, unknown> {
  const { tritonRelease, servers, nodes } = config;
  const settings = models.map(({ spec }) => {
    const { backend, maxBatchSize, batching, instances, optimization } = spec;
    return [spec.name, { backend, maxBatchSize, batching, instances, optimization }] as const;
  });
  return plain({ tritonRelease, servers, nodes, models: Object.fromEntries(settings) });
}

/** As JSON has it: without what is undefined. */
function plain(value: object): Record<string, unknown> {
  const copy: unknown = JSON.parse(JSON.stringify(value));
  return Object.fromEntries(Object.entries(copy ?? {}));
}

/** Where results are, unless a user says otherwise: of this machine, and out of git. */
export function resultFolder(out: string | undefined): string {
  return out === undefined ? path.join(projectRoot, ".local", "benchmarks") : userPath(out);
}

/** Written as a whole: whoever reads it meanwhile sees the one before. */
export function writeResult(folder: string, result: Benchmark): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${result.id}.json`);
  replaceFile(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

/** Of this repository, with `+changes` where files were changed; undefined outside of git. */
export async function commitHere(): Promise<string | undefined> {
  const git = (...args: string[]): Promise<{ readonly exitCode?: number; readonly stdout: string }> =>
    execa("git", args, { cwd: projectRoot, reject: false });
  const head = await git("rev-parse", "HEAD");
  if (head.exitCode !== 0) return undefined;
  const changes = await git("status", "--porcelain");
  return `${head.stdout.trim()}${changes.stdout.trim() === "" ? "" : "+changes"}`;
}
