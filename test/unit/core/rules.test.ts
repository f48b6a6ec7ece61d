import path from "node:path";
import { describe, expect, it } from "vitest";
import type { Model } from "../../../core/spec/load.ts";
import { loadModels } from "../../../core/spec/load.ts";
import { newestRelease } from "../../../core/triton/releases.ts";
import { checkModel, rules } from "../../../core/triton/rules/index.ts";
import { modelOf, x } from "../../support/models.ts";
import { projectRoot } from "../../support/tools.ts";
import { backendCases } from "./rules/backend-cases.ts";
import { batchingCases } from "./rules/batching-cases.ts";
import { ensembleCases } from "./rules/ensemble-cases.ts";
import { instanceCases } from "./rules/instance-cases.ts";
import { sequenceCases } from "./rules/sequence-cases.ts";
import { judge, vllm, type Case, type Setup } from "./rules/setup.ts";
import { tensorCases } from "./rules/tensor-cases.ts";
import { warmupCases } from "./rules/warmup-cases.ts";

const cases: readonly Case[] = [
  ...backendCases,
  ...tensorCases,
  ...batchingCases,
  ...sequenceCases,
  ...ensembleCases,
  ...instanceCases,
  ...warmupCases,
];

/** Rules whose cases are not of a spec alone, and stand further down. */
const elsewhere = ["artifacts-missing"];

describe("rules", () => {
  it.each(cases)("$code: $what", ({ code, keeps, breaks, at, also = [] }) => {
    const kept = judge(keeps);
    expect(kept.problems).toEqual([]);
    expect(kept.advice.filter((advice) => advice.code === code)).toEqual([]);

    const { problems, advice } = judge(breaks);
    const found = [...problems, ...advice].filter((finding) => finding.code === code);
    expect(found).toMatchObject([{ file: "models/m/model.yaml", path: at }]);
    for (const finding of found) {
      expect(finding.message).not.toBe("");
      expect(finding.hint).not.toBe("");
    }
    expect(problems.map((problem) => problem.code).filter((other) => other !== code)).toEqual(also);
  });

  it("have a case each", () => {
    const covered = new Set([...cases.map(({ code }) => code), ...elsewhere]);
    expect(rules.map(({ code }) => code).filter((code) => !covered.has(code))).toEqual([]);
    expect([...covered].filter((code) => !rules.some((rule) => rule.code === code))).toEqual([]);
  });

  it("have a code of their own, a reason and a source", () => {
    const codes = rules.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const { code, about, source } of rules) {
      expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(about).toMatch(/\.$/);
      expect(source).not.toBe("");
    }
  });

  it("that came later do not hold before", () => {
    const tooLarge = { fields: { inputs: [{ ...x, dims: [2 ** 40, 2 ** 40] }] } };
    expect(judge({ ...tooLarge, server: { release: "26.03" } }).problems).toMatchObject([
      { code: "tensor-too-large" },
    ]);
    expect(judge({ ...tooLarge, server: { release: "26.02" } }).problems).toEqual([]);
  });

  it("artifacts-missing: what the lock pins is on disk", () => {
    const model = modelOf("m");
    const missing = { ...model, artifacts: { ...model.artifacts, missing: ["1/a", "1/b"] } };
    expect(check(missing).problems).toMatchObject([
      {
        code: "artifacts-missing",
        message: "1/a, 1/b are pinned in artifacts.lock and not in the folder",
        hint: "build it: npm run models -- m",
      },
    ]);
    const sources = new Map([["1/a", { uri: "s3://weights/a", versionId: "v" }]]);
    const inS3 = { ...model, artifacts: { ...missing.artifacts, sources } };
    expect(check(inS3).problems).toMatchObject([
      { message: "1/b is pinned in artifacts.lock and not in the folder" },
    ]);
  });

  it.each<{ what: string; setup: Setup; hint: RegExp }>([
    {
      what: "a backend of an image of one's own",
      setup: { fields: { backend: "mine" } },
      hint: /`triton-platform:customBackends: \[mine\]`$/,
    },
    {
      what: "an agent of an image of one's own",
      setup: { fields: { repositoryAgents: [{ name: "decrypt" }] } },
      hint: /`triton-platform:customAgents: \[decrypt\]`$/,
    },
    {
      what: "an environment outside the model's folder",
      setup: { fields: { parameters: { EXECUTION_ENV_PATH: "$$TRITON_MODEL_DIRECTORY/../env.tar.gz" } } },
      hint: /^put it into the image and write its absolute path/,
    },
    {
      what: "the file that a backend reads",
      setup: { fields: vllm, paths: [] },
      hint: /^put what the vllm backend reads there: m\/1\/model\.json, or/,
    },
    {
      what: "either of two files",
      setup: { fields: { backend: "dali" }, paths: ["1/other"] },
      hint: /^the dali backend reads m\/1\/model\.dali or dali\.py$/,
    },
    {
      what: "tensors to copy",
      setup: { fields: { ...vllm, outputs: [] } },
      hint: /^write `outputs: \[\{ name: text_output, dataType: STRING, dims: \[-1\] \}\]`/,
    },
  ])("tell the mend: $what", ({ setup, hint }) => {
    const { problems } = judge(setup);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.hint).toMatch(hint);
  });

  it("tell all that is wrong at once, in the order of model.yaml", () => {
    const { problems } = judge({
      fields: {
        backend: undefined,
        maxBatchSize: 0,
        inputs: [x, x],
        batching: { preferredBatchSizes: [2] },
        instances: [{ kind: "cpu", gpus: [0] }],
        warmup: [{ batchSize: 2, inputs: { z: {} } }],
        versions: { specific: [3] },
      },
      paths: [],
    });
    expect(problems.map((problem) => problem.path)).toEqual([
      "backend",
      "inputs[1].name",
      "batching.preferredBatchSizes[0]",
      "instances[0].gpus",
      "warmup[0].batchSize",
      "warmup[0].inputs.z",
      "",
      "versions.specific[0]",
    ]);
  });
});

describe("silencing", () => {
  const unbounded = { batching: {} };

  it("leaves out advice of that code", () => {
    expect(judge({ fields: unbounded }).advice).toMatchObject([{ code: "unbounded-queue" }]);
    expect(judge({ fields: { ...unbounded, silenced: { "unbounded-queue": "it refuses itself" } } })).toEqual(
      {
        problems: [],
        advice: [],
      },
    );
  });

  it("is advised against where there is nothing to silence", () => {
    expect(judge({ fields: { silenced: { "unbounded-queue": "it refuses itself" } } })).toMatchObject({
      problems: [],
      advice: [{ code: "nothing-to-silence", path: "silenced.unbounded-queue" }],
    });
  });

  it("is refused for errors", () => {
    const { problems } = judge({
      fields: { inputs: [x, x], silenced: { "duplicate-tensor": "on purpose" } },
    });
    expect(problems).toMatchObject([
      { code: "duplicate-tensor" },
      { code: "error-silenced", path: "silenced.duplicate-tensor" },
    ]);
  });

  it("is refused for codes that are not there", () => {
    expect(judge({ fields: { ...unbounded, silenced: { "unbound-queue": "typing" } } })).toMatchObject({
      problems: [
        {
          code: "unknown-silenced-code",
          path: "silenced.unbound-queue",
          hint: "did you mean `unbounded-queue`?",
        },
      ],
      advice: [{ code: "unbounded-queue" }],
    });
  });
});

describe("the models of this repository", () => {
  it("keep every rule that does not ask for built files", () => {
    const { value, problems } = loadModels(path.join(projectRoot, "models"));
    expect(problems).toEqual([]);
    const models = new Map(value.map((model) => [model.spec.name, model]));
    for (const model of value) {
      const judgement = check(model, models);
      // Weights are built, not kept in the repository.
      expect(judgement.problems.filter((problem) => problem.path !== "")).toEqual([]);
      expect(judgement.advice).toEqual([]);
    }
  });
});

function check(model: Model, models: ReadonlyMap<string, Model> = new Map([[model.spec.name, model]])) {
  return checkModel({
    model,
    models,
    server: { release: newestRelease, customBackends: [], customAgents: [] },
  });
}
