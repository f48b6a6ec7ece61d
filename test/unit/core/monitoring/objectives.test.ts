import { describe, expect, it } from "vitest";
import { objectiveProblems } from "../../../../core/monitoring/objectives.ts";
import { monitoredPlatform } from "../../../../core/monitoring/platform.ts";
import { planPlatform } from "../../../../core/platform.ts";
import { modelOf, platformOf, type SpecFields } from "../../../support/models.ts";
import { everything, onMachine } from "../../../support/monitoring.ts";

interface Case {
  readonly what: string;
  readonly spec: SpecFields;
  readonly path: string;
  readonly message: RegExp;
  readonly hint: RegExp;
}

const refused: readonly Case[] = [
  {
    what: "a latency with a response cache, of which Triton gives no summary",
    spec: { responseCache: true, objectives: { latencyP99: "10ms" } },
    path: "objectives.latencyP99",
    message: /no summary of whole requests for a model with a response cache/,
    hint: /remove `responseCache`, or the objective/,
  },
  {
    what: "a latency of a decoupled model, whose requests end when they begin",
    spec: { transactionPolicy: { decoupled: true }, objectives: { latencyP99: "10ms" } },
    path: "objectives.latencyP99",
    message: /takes a decoupled request for done/,
    hint: /remove the objective/,
  },
  {
    what: "an availability of a decoupled model",
    spec: { transactionPolicy: { decoupled: true }, objectives: { availability: "99%" } },
    path: "objectives.availability",
    message: /takes a decoupled request for done/,
    hint: /remove the objective/,
  },
  {
    what: "a latency of the LLM proxy between two bounds of its histogram",
    spec: { upstream: "holysheep", objectives: { latencyP99: "7s" } },
    path: "objectives.latencyP99",
    message: /^7s cannot be measured/,
    hint: /5s, 10s, 20s/,
  },
  {
    what: "an availability that leaves no budget",
    spec: { objectives: { availability: "100%" } },
    path: "objectives.availability",
    message: /^100% leaves no budget/,
    hint: /99\.9%/,
  },
];

describe("a promise that nothing can measure is refused:", () => {
  it.each(refused)("$what", ({ spec, path, message, hint }) => {
    const [problem, ...more] = objectiveProblems([modelOf("m", spec)]);
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ file: "models/m/model.yaml", path });
    expect(problem?.message).toMatch(message);
    expect(problem?.hint).toMatch(hint);
  });

  it("before anything is created, with all other problems", () => {
    const { problems } = planPlatform(
      [modelOf("m", { objectives: { availability: "100%" } })],
      platformOf(),
      "Pulumi.test.yaml",
    );
    expect(problems.map(({ path }) => path)).toEqual(["objectives.availability"]);
  });
});

describe("a promise is measured", () => {
  it.each([
    { spec: { objectives: { latencyP99: "10ms", availability: "99.9%" } }, by: "triton" },
    {
      spec: { upstream: "holysheep", objectives: { latencyP99: "30s", availability: "99.9%" } },
      by: "llm-proxy",
    },
  ] satisfies { spec: SpecFields; by: string }[])("by $by", ({ spec, by }) => {
    const { value } = planPlatform([modelOf("m", spec)], platformOf(), "Pulumi.test.yaml");
    const [model] = monitoredPlatform(value.servers, everything.config, onMachine).models;
    expect(model?.availability?.source).toBe(by);
    expect(model?.latency?.source).toBe(by);
  });

  it("where a cached model promises availability alone", () => {
    expect(
      objectiveProblems([modelOf("m", { responseCache: true, objectives: { availability: "99%" } })]),
    ).toEqual([]);
  });
});
