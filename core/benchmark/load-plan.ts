import type { ModelSpec } from "../spec/model.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import { commandLine, type LoadSettings, type Protocol } from "./load-options.ts";
import { filePayload, generatedPayload, type Payload } from "./payload.ts";
import type { StopRules } from "./stop.ts";

/** What is measured in which order: pure, from the models' specs and what the user asks for. */
export interface LoadPlan {
  /** One after the other. */
  readonly loads: readonly Load[];
  /** What is left out, and why; what was assumed. */
  readonly notes: readonly string[];
  /** Seconds it takes at most, without what generators take to start; undefined where points are bound by their calls. */
  readonly mostSeconds?: number;
}

/** One series, or those of a mix, which run at the same time. */
export interface Load {
  readonly series: readonly PlannedSeries[];
  readonly levels: readonly Level[];
  readonly mix?: string;
}

/** Callers of each series, in their order. */
export type Level = readonly number[];

export interface PlannedSeries extends StopRules {
  readonly model: ServedModel;
  readonly protocol: Protocol;
  readonly batchSize: number;
  readonly payload: Payload;
}

/** A model as it is served. */
export interface ServedModel {
  readonly spec: ModelSpec;
  /** The newest that is served. */
  readonly version: string;
  readonly server: string;
  /** Whether a call costs money: it calls an API that somebody pays for. */
  readonly costs: boolean;
  /** Request of the model's own, or of the user's for it. */
  readonly payloadFile?: { readonly file: string; readonly text: string };
}

/** Plans the loads. Everything wrong is reported at once; the plan is to be used only where nothing is. */
export function planLoads(
  models: readonly ServedModel[],
  settings: LoadSettings,
): { readonly value: LoadPlan; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const notes: string[] = [];
  const { chosen, problems: unknown } = choose(models, settings, notes);
  problems.push(...unknown);
  const prepared = chosen.flatMap((model) => {
    const sizes = batchSizesOf(model.spec, settings);
    problems.push(...batchProblems(model.spec, settings));
    const payloads = sizes.flatMap((size) => {
      const { payload, problems: wrong } = payloadFor(model, size, settings);
      problems.push(...wrong);
      return payload ?? [];
    });
    const guessed = new Set(payloads.flatMap((payload) => payload.guessed));
    if (guessed.size > 0)
      notes.push(
        `${model.spec.name}: variable dimensions of ${[...guessed].join(", ")} are 1 (--shape, or a payload file)`,
      );
    return payloads.map((payload) => ({ model, payload }));
  });
  problems.push(...shapeProblems(chosen, settings));

  const seriesOf = ({ model, payload }: (typeof prepared)[number], protocol: Protocol): PlannedSeries => {
    const objective = model.spec.objectives.latencyP99;
    const limit = settings.latencyLimitMs ?? (objective === undefined ? undefined : objective / 1_000);
    return {
      ...{ model, protocol, payload, batchSize: payload.batchSize },
      beyondSaturation: settings.beyondSaturation,
      ...(limit === undefined ? {} : { latencyP99LimitMs: limit }),
    };
  };
  const single = settings.concurrency.map((callers): Level => [callers]);
  const loads =
    settings.mix === undefined
      ? prepared.flatMap((each) =>
          settings.protocols.map((protocol): Load => ({
            series: [seriesOf(each, protocol)],
            levels: single,
          })),
        )
      : settings.protocols.map((protocol) => {
          // A mix is of one batch size per model: the first.
          const first = prepared.filter(({ model }, i) => prepared.findIndex((p) => p.model === model) === i);
          const weights = first.map(({ model }) => weightOf(model.spec.name, settings));
          const mix = first.map(({ model }, i) => `${model.spec.name}=${String(weights[i])}`).join(",");
          const levels = settings.concurrency.map((callers) => shares(callers, weights));
          return { series: first.map((each) => seriesOf(each, protocol)), levels, mix };
        });
  const { bound, warmUpSeconds, repeats } = settings;
  const points = loads.reduce((sum, { levels }) => sum + levels.length * repeats, 0);
  return {
    value: {
      loads: loads.filter(({ series }) => series.length > 0),
      notes,
      ...("seconds" in bound ? { mostSeconds: points * (warmUpSeconds + bound.seconds) } : {}),
    },
    problems,
  };
}

/** Why no load generator here can call a model; undefined where they can. */
export function unloadable({ sequenceBatching, transactionPolicy }: ModelSpec): string | undefined {
  if (transactionPolicy?.decoupled === true) return "it is decoupled, and answers streams alone";
  if (sequenceBatching !== undefined) return "its calls are sequences";
  return undefined;
}

function choose(
  models: readonly ServedModel[],
  { models: asked, mix, allowCost }: LoadSettings,
  notes: string[],
): { readonly chosen: readonly ServedModel[]; readonly problems: readonly Problem[] } {
  const named = mix === undefined ? asked : mix === "all" ? undefined : [...mix.keys()];
  if (named === undefined) {
    const chosen = models.filter(({ spec }) => {
      const reason =
        spec.upstream === undefined
          ? unloadable(spec)
          : "it calls an external API, and is loaded only by its name";
      if (reason !== undefined) notes.push(`${spec.name} is left out: ${reason}`);
      return reason === undefined;
    });
    return { chosen, problems: [] };
  }
  const option = mix === undefined ? "--model" : "--mix";
  const problems: Problem[] = [];
  const report = (message: string, hint: string): [] => {
    problems.push({ file: commandLine, path: option, message, hint });
    return [];
  };
  const known = models.map(({ spec }) => spec.name);
  const chosen = [...new Set(named)].flatMap((name) => {
    const model = models.find(({ spec }) => spec.name === name);
    if (model === undefined) return report(`there is no model \`${name}\` here`, suggest(name, known));
    const reason = unloadable(model.spec);
    if (reason !== undefined)
      return report(`\`${name}\` cannot be measured: ${reason}`, "measure it with perf_analyzer by hand");
    if (model.costs && !allowCost)
      return report(
        `every call of \`${name}\` costs money at its ${model.spec.upstream ?? ""} API`,
        "add --allow-cost to pay for it; on the local target without a key, a simulator answers",
      );
    return model;
  });
  return { chosen, problems };
}

/** 1, and the sizes that the scheduler prefers. */
function batchSizesOf(
  { maxBatchSize, batching }: ModelSpec,
  { batchSizes }: LoadSettings,
): readonly number[] {
  if (maxBatchSize === 0) return [1];
  if (batchSizes !== undefined) return batchSizes.filter((size) => size <= maxBatchSize);
  const preferred = batching?.preferredBatchSizes ?? [];
  return [...new Set([1, ...preferred])].sort((a, b) => a - b);
}

function batchProblems({ name, maxBatchSize }: ModelSpec, { batchSizes = [] }: LoadSettings): Problem[] {
  const most = Math.max(1, maxBatchSize);
  return batchSizes
    .filter((size) => size > most)
    .map((size) => ({
      ...{ file: commandLine, path: "--batch-size" },
      message: `\`${name}\` takes ${String(most)} at most, and ${String(size)} is asked for`,
      hint:
        maxBatchSize === 0 ? "it has no batch dimension: leave the model or the size out" : "leave it out",
    }));
}

function payloadFor(
  { spec, payloadFile }: ServedModel,
  size: number,
  { shapes }: LoadSettings,
): { readonly payload?: Payload; readonly problems: readonly Problem[] } {
  if (payloadFile !== undefined) {
    const read = filePayload(spec, size, payloadFile);
    return "value" in read
      ? { payload: read.value, problems: [] }
      : { problems: size === 1 ? read.problems : [] };
  }
  if (spec.inputs.length === 0) {
    const message = `the spec of \`${spec.name}\` lists no inputs, so that no request can be made of it`;
    const hint = `list them, or give a request: --payload ${spec.name}=request.json`;
    return { problems: [{ file: commandLine, path: "--payload", message, hint }] };
  }
  return { payload: generatedPayload(spec, size, shapes), problems: [] };
}

/** Shapes for inputs that nobody has, and those that do not fit a spec's dims. */
function shapeProblems(models: readonly ServedModel[], { shapes }: LoadSettings): Problem[] {
  return Object.entries(shapes).flatMap(([name, shape]): Problem[] => {
    const inputs = models.flatMap(({ spec }) => spec.inputs.filter((input) => input.name === name));
    const report = (message: string, hint: string): Problem[] => [
      { file: commandLine, path: "--shape", message, hint },
    ];
    if (inputs.length === 0) {
      const known = [...new Set(models.flatMap(({ spec }) => spec.inputs.map((input) => input.name)))];
      return report(`no model that is measured has an input \`${name}\``, suggest(name, known));
    }
    const misfit = inputs.find(
      ({ dims }) => dims.length !== shape.length || dims.some((dim, i) => dim !== -1 && dim !== shape[i]),
    );
    return misfit === undefined
      ? []
      : report(
          `${shape.join(",")} does not fit \`${name}\`, whose dims are [${misfit.dims.join(", ")}]`,
          "write one row's shape, without the batch dimension; only -1 is free",
        );
  });
}

function weightOf(model: string, { mix }: LoadSettings): number {
  return mix === undefined || mix === "all" ? 1 : (mix.get(model) ?? 1);
}

/** Callers shared out by weight, at least one for each: the largest rests get what is left. */
export function shares(callers: number, weights: readonly number[]): Level {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (callers * weight) / total);
  const shared = exact.map((share) => Math.max(1, Math.floor(share)));
  const order = exact
    .map((share, i) => ({ i, rest: share - Math.floor(share) }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  let left = callers - shared.reduce((sum, share) => sum + share, 0);
  for (const { i } of order) {
    if (left <= 0) break;
    shared[i] = (shared[i] ?? 0) + 1;
    left -= 1;
  }
  return shared;
}
