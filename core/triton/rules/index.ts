import { compare } from "../../spec/artifacts.ts";
import type { Model } from "../../spec/load.ts";
import { suggest, type Advice, type Problem } from "../../spec/problem.ts";
import { resolveBackend } from "../backends.ts";
import { isAtLeast } from "../releases.ts";
import { servedVersions } from "../repository.ts";
import { backendRules } from "./backend.ts";
import { batchingRules } from "./batching.ts";
import { ensembleRules } from "./ensemble.ts";
import { ensemblesOf } from "./ensembles.ts";
import { instanceRules } from "./instances.ts";
import { optimizationRules } from "./optimization.ts";
import type { RuleSection } from "./document.ts";
import type { Finding, Rule, RuleContext, ServerFacts, Subject } from "./rule.ts";
import { sequenceRules } from "./sequence.ts";
import { serviceRules } from "./service.ts";
import { tensorRules } from "./tensors.ts";
import { versionRules } from "./versions.ts";
import { warmupRules } from "./warmup.ts";

/** All rules of meaning by what they are about, in the order in which findings are shown: that of a model.yaml. */
export const ruleSections: readonly RuleSection[] = [
  { title: "Backend", rules: backendRules },
  { title: "Tensors", rules: tensorRules },
  { title: "Batching, queues and cache", rules: batchingRules },
  { title: "Sequences", rules: sequenceRules },
  { title: "Ensembles", rules: ensembleRules },
  { title: "Instances", rules: instanceRules },
  { title: "Optimization", rules: optimizationRules },
  { title: "Warm-up", rules: warmupRules },
  { title: "Metrics, releases and objectives", rules: serviceRules },
  { title: "Versions and artifacts", rules: versionRules },
];
export const rules: readonly Rule[] = ruleSections.flatMap((section) => section.rules);

export interface Judgement {
  /** What a server would refuse, or what this project does not run. */
  readonly problems: readonly Problem[];
  /** What to think about, without what the spec silences. */
  readonly advice: readonly Advice[];
}

/** Holds models against the rules of the servers they are for. An ensemble among them is judged with its steps of `all`. */
export function checkModels(
  models: readonly Model[],
  all: ReadonlyMap<string, Model>,
  serverOf: (name: string) => ServerFacts,
): Judgement {
  const judgements = models.map((model) =>
    checkModel({ model, models: all, server: serverOf(model.spec.name) }),
  );
  return {
    problems: judgements.flatMap(({ problems }) => problems),
    advice: judgements.flatMap(({ advice }) => advice),
  };
}

/** Holds one model against every rule that its server's release has. Linear in the model and those of its steps. */
export function checkModel(subject: Subject): Judgement {
  const context = contextOf(subject);
  const { file, spec } = subject.model;
  const problems: Problem[] = [];
  const advice: Advice[] = [];
  const occurring = new Set<string>();
  for (const { code, severity, since, check } of rules) {
    if (since !== undefined && !isAtLeast(subject.server.release, since)) continue;
    for (const finding of check(context)) {
      if (severity === "error") problems.push({ file, ...finding, code });
      else if (!Object.hasOwn(spec.silenced, code)) advice.push({ file, ...finding, code });
      occurring.add(code);
    }
  }
  for (const [code, finding] of silencingProblems(spec.silenced)) problems.push({ file, ...finding, code });
  for (const finding of nothingToSilence(spec.silenced, occurring))
    advice.push({ file, ...finding, code: "nothing-to-silence" });
  return { problems, advice };
}

function contextOf(subject: Subject): RuleContext {
  const { model, models } = subject;
  const served = new Map(servedVersions(model).map((version) => [String(version), new Set<string>()]));
  const files = model.artifacts.files.filter(({ path }) => {
    const [version = "", ...names] = path.split("/");
    const paths = served.get(version);
    names.forEach((_, i) => paths?.add(names.slice(0, i + 1).join("/")));
    return paths !== undefined;
  });
  const graph = ensemblesOf(models).graphs.get(model.spec.name);
  return {
    ...subject,
    resolved: resolveBackend(model.spec, { files }),
    versions: [...served].map(([version, paths]) => ({ version: Number(version), paths })),
    ...(graph === undefined ? {} : { graph }),
  };
}

const severities: ReadonlyMap<string, Rule["severity"]> = new Map(
  rules.map(({ code, severity }) => [code, severity]),
);
const adviceCodes = rules
  .flatMap(({ code, severity }) => (severity === "advice" ? [code] : []))
  .sort(compare);

function silencingProblems(silenced: Readonly<Record<string, string>>): [code: string, Finding][] {
  return Object.keys(silenced)
    .filter((code) => severities.get(code) !== "advice")
    .map((code) => {
      const path = `silenced.${code}`;
      return severities.has(code)
        ? [
            "error-silenced",
            {
              path,
              message: "this is an error, which cannot be silenced",
              hint: "mend what it is about; only advice can be silenced",
            },
          ]
        : [
            "unknown-silenced-code",
            { path, message: "there is no such rule", hint: suggest(code, adviceCodes) },
          ];
    });
}

function nothingToSilence(
  silenced: Readonly<Record<string, string>>,
  occurring: ReadonlySet<string>,
): Finding[] {
  return Object.keys(silenced)
    .filter((code) => severities.get(code) === "advice" && !occurring.has(code))
    .map((code) => ({
      path: `silenced.${code}`,
      message: "nothing gives this advice any more",
      hint: "remove the line, so that it is seen when it comes again",
    }));
}
