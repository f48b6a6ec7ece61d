import { parseArgs } from "node:util";
import Table from "cli-table3";
import type { Load, LoadPlan, ServedModel } from "../core/benchmark/load-plan.ts";
import type { Benchmark, Point } from "../core/benchmark/result.ts";
import { requestRate } from "../core/benchmark/stop.ts";
import { omit, present } from "../core/objects.ts";
import { sdkImage } from "../core/kubernetes/benchmark-job.ts";
import { askedBench, benchHelp, benchOptions, plannedBench } from "./bench/load/asked.ts";
import { withClusterJob } from "./bench/load/cluster-job.ts";
import { podReplicas } from "./bench/load/container-hosts.ts";
import { withContainers } from "./bench/load/container-replicas.ts";
import type { LoadGenerator } from "./bench/load/generator.ts";
import { localGenerators, type GeneratorChoice } from "./bench/load/generators.ts";
import type { Replicas } from "./bench/load/replicas.ts";
import {
  commitHere,
  newId,
  resultFolder,
  resultOf,
  writeResult,
  type Frame,
} from "./bench/load/result-file.ts";
import { measure, type MeasuredSeries } from "./bench/load/run.ts";
import type { BenchTarget } from "./bench/load/target.ts";
import {
  askBalancer,
  askReplica,
  instancesOf,
  plannedInstances,
  tritonVersion,
  type Ask,
} from "./bench/load/triton.ts";
import { stoppable } from "./files/ending.ts";
import { writingTo } from "./files/writing.ts";
import { runSteps } from "./setup/steps.ts";
import { UserError } from "./setup/user-error.ts";
import { withKubeconfig } from "./stack/kubeconfig.ts";

/** `npm run bench`: how fast models are, as a file that says all that is needed to understand it and to run it again. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: benchOptions });
  if (values.help) {
    console.log(benchHelp);
    return;
  }
  const asked = askedBench(values);
  const { target, plan, notes } = await plannedBench(asked);
  for (const text of notes) note(text);
  console.error(describe(plan));
  if (values["dry-run"]) return;

  const settings = {
    ...{ plan, choice: asked.choice, settings: asked.settings },
    folder: resultFolder(values.out),
    load: loadFacts(values),
  };
  const written = await stoppable(
    () => new UserError("Stopped before the first point", "nothing is written"),
    (signal) =>
      withReplicas(target, plan, (reached) => {
        const job = { ...settings, ...reached };
        return values["in-cluster"]
          ? benchInside(job, { image: values.image, cpu: asked.cpu }, signal)
          : benchFromHere(job, signal);
      }),
  );
  if (written === undefined) {
    console.error("Stopped before the first point: nothing is written");
    return;
  }
  console.log(summary(written.result));
  console.log(`${written.file}\nNext: npm run bench:report -- ${written.file}`);
}

/** What was asked for of the load; where a key lies is nobody else's business. */
function loadFacts(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return omit(values, "api-key-file", "ca", "cert", "key", "help", "dry-run", "out");
}

function describe({ loads, mostSeconds }: LoadPlan): string {
  const points = loads.reduce((sum, { levels }) => sum + levels.length, 0);
  const time = mostSeconds === undefined ? "" : `, ${spokenTime(mostSeconds)} at most`;
  return [...loads.map((load) => `  ${titleOf(load)}`), `${String(points)} levels${time}`].join("\n");
}

function titleOf({ series, levels, mix }: Load): string {
  const callers = (level: readonly number[] = []): string =>
    String(level.reduce((sum, each) => sum + each, 0));
  const range = `${callers(levels[0])} to ${callers(levels.at(-1))} callers`;
  const [first] = series;
  if (mix !== undefined) return `mix of ${mix}, ${first?.protocol ?? ""}, ${range}`;
  if (first === undefined) return "";
  const batch = first.model.spec.maxBatchSize > 0 ? `, batch ${String(first.batchSize)}` : "";
  return `${first.model.spec.name}, ${first.protocol}${batch}, ${range}`;
}

function spokenTime(seconds: number): string {
  return seconds < 120 ? `${String(Math.ceil(seconds))} s` : `${String(Math.ceil(seconds / 60))} minutes`;
}

function note(text: string): void {
  console.error(`Note: ${text}`);
}

/** With the cluster's own kubeconfig, and with sessions in a stack's containers. */
function withReplicas<T>(
  target: BenchTarget,
  plan: LoadPlan,
  work: (reached: Pick<BenchJob, "target" | "replicas">) => Promise<T>,
): Promise<T> {
  return withKubeconfig(target.kubeconfig, (kubeconfig) => {
    const cluster =
      target.cluster === undefined ? undefined : { ...target.cluster, ...present({ kubeconfig }) };
    const reached = { ...target, ...present({ cluster }) };
    const host = target.docker ?? (cluster === undefined ? undefined : podReplicas(cluster));
    if (host === undefined) return work({ target: reached, replicas: target.replicas });
    return withContainers(host, serversIn(modelsIn(plan)), note, (replicas) =>
      work({ target: reached, replicas }),
    );
  });
}

/** What is measured, how, and where the result goes. */
interface BenchJob {
  readonly plan: LoadPlan;
  readonly target: BenchTarget;
  readonly replicas: Replicas;
  readonly choice: GeneratorChoice;
  readonly settings: Parameters<typeof measure>[1];
  readonly folder: string;
  /** As the user asked for it. */
  readonly load: Readonly<Record<string, unknown>>;
}

/** The load comes from this machine, which asks Triton what it is. */
async function benchFromHere(job: BenchJob, signal: AbortSignal): Promise<Written | undefined> {
  const { plan, target, choice } = job;
  const { endpoint } = target;
  const ask = askBalancer(endpoint);
  const instances = new Map<string, number>();
  for (const model of modelsIn(plan)) instances.set(model.spec.name, await instancesOf(ask, model));
  const version = await tritonVersion(ask);
  const replicasOf = (server: string): number => target.groups.get(server)?.replicas ?? 1;
  const generatorOf = await localGenerators(plan, { endpoint, choice, replicasOf, signal });
  return measureAll(job, await frameOf(job, { generatorOf, instances, tritonVersion: version }), signal);
}

/** The load comes from a pod, and the balancer may have no address here: Triton is asked in its own pods. */
function benchInside(
  job: BenchJob,
  { image, cpu }: { readonly image: string | undefined; readonly cpu: number },
  signal: AbortSignal,
): Promise<Written | undefined> {
  const { plan, target } = job;
  const { cluster } = target;
  if (cluster === undefined) throw new Error("the target is no cluster");
  const options = {
    ...{ kubernetes: cluster, endpoint: target.endpoint, signal },
    servers: serversIn(modelsIn(plan)),
    image: image ?? sdkImage(target.config.tritonRelease),
    cpu,
    // Starts of programs and slow answers come on top of the plan; a Job that nobody removes ends some time after.
    deadline: Math.ceil((plan.mostSeconds ?? 3_600) * 2) + 900,
    progress: (text: string) => {
      console.error(`  ${text}`);
    },
  };
  return withClusterJob(options, async ({ generator, endpoint }) => {
    const inside = { ...job, target: { ...target, endpoint } };
    const generatorOf = (): LoadGenerator => generator;
    return measureAll(inside, await frameOf(inside, { generatorOf, ...(await factsInside(job)) }), signal);
  });
}

/** What the replicas say of themselves; where they cannot be asked, what the stack's config says. */
async function factsInside({
  plan,
  target,
  replicas,
}: BenchJob): Promise<Pick<Frame, "instances" | "tritonVersion">> {
  const models = modelsIn(plan);
  const say = async <T>(server: string, question: (ask: Ask) => Promise<T>, otherwise: T): Promise<T> => {
    const [replica] = replicas.of(server);
    return replica === undefined ? otherwise : question(askReplica(replica)).catch(() => otherwise);
  };
  const instances = new Map<string, number>();
  for (const model of models) {
    const count = await say(model.server, (ask) => instancesOf(ask, model), plannedInstances(model));
    instances.set(model.spec.name, count);
  }
  const [server = ""] = serversIn(models);
  return {
    instances,
    tritonVersion: await say(server, tritonVersion, `release ${target.config.tritonRelease}`),
  };
}

function serversIn(models: readonly ServedModel[]): readonly string[] {
  return [...new Set(models.map(({ server }) => server))];
}

function modelsIn({ loads }: LoadPlan): readonly ServedModel[] {
  return [...new Set(loads.flatMap(({ series }) => series.map(({ model }) => model)))];
}

async function frameOf(
  { target, load }: BenchJob,
  facts: Pick<Frame, "generatorOf" | "instances" | "tritonVersion">,
): Promise<Frame> {
  const started = new Date();
  return { ...facts, id: newId(started), started, target, load, commit: await commitHere() };
}

interface Written {
  readonly result: Benchmark;
  readonly file: string;
}

/**
 * Measures one load after the other. After each of them the file is whole, and has everything until then. Undefined where
 * nothing was measured.
 */
async function measureAll(
  { plan: { loads }, replicas, settings, folder }: BenchJob,
  frame: Frame,
  signal: AbortSignal,
): Promise<Written | undefined> {
  const done: MeasuredSeries[] = [];
  let written: Written | undefined;
  await runSteps(
    loads.map((load) => ({
      title: titleOf(load),
      run: async (report) => {
        if (signal.aborted) return;
        const measured = await measure(load, settings, {
          endpoint: frame.target.endpoint,
          generatorOf: frame.generatorOf,
          replicas,
          signal,
          onProgress: report,
          onPoint: (series, point) => {
            report(`${series.model.spec.name} × ${String(point.concurrency)}: ${pointText(point)}`);
          },
        });
        done.push(...measured.filter(({ points }) => points.length > 0));
        if (done.length === 0) return;
        const result = resultOf(frame, done, new Date());
        written = { result, file: await writingTo(folder, () => writeResult(folder, result)) };
      },
    })),
  );
  return written;
}

function pointText(point: Point): string {
  return `${requestRate(point).toFixed(0)} requests/s, p99 ${point.latency.p99Ms.toFixed(1)} ms`;
}

/** Of each series its best point within the limit, and why it ended. */
function summary({ series }: Benchmark): string {
  const head = [
    "model",
    "protocol",
    "batch",
    "callers",
    "inferences/s",
    "p50 ms",
    "p99 ms",
    "failed",
    "ended",
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { model, mix, protocol, batchSize, points, stopped, latencyP99LimitMs = Infinity } of series) {
    const within = points.filter(
      ({ latency, requests }) => requests > 0 && latency.p99Ms <= latencyP99LimitMs,
    );
    const [best] = [...(within.length > 0 ? within : points)].sort((a, b) => requestRate(b) - requestRate(a));
    if (best === undefined) continue;
    const failed = Object.values(best.failures).reduce((sum, count) => sum + count, 0);
    table.push([
      ...[mix === undefined ? model : `${model} (mix)`, protocol, batchSize, best.concurrency],
      ...[
        (requestRate(best) * batchSize).toFixed(0),
        best.latency.p50Ms.toFixed(2),
        best.latency.p99Ms.toFixed(2),
      ],
      ...[failed, stopped],
    ]);
  }
  return table.toString();
}
