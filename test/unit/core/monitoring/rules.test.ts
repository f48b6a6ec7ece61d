import { readdirSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alertsOf } from "../../../../core/monitoring/alerts.ts";
import { renderRules, ruleFile } from "../../../../core/monitoring/rules.ts";
import { projectRoot } from "../../../support/tools.ts";
import {
  chat,
  classify,
  embed,
  everything,
  onCluster,
  onMachine,
  unknownIn,
  watched,
} from "../../../support/monitoring.ts";
import { modelOf } from "../../../support/models.ts";
import { parseQuery } from "../../../support/promql.ts";

const rulesOf = (platform: typeof everything) => ruleFile(platform).groups.flatMap(({ rules }) => rules);

describe("the rules", () => {
  it("of a whole platform are as the golden file has them", async () => {
    await expect(renderRules(ruleFile(everything))).toMatchFileSnapshot("../golden/rules.txt");
  });

  it.each(rulesOf(everything).map((rule) => ["record" in rule ? rule.record : rule.alert, rule.expr]))(
    "%s asks for metrics and labels that there are",
    (_, expr) => {
      expect(unknownIn(expr, everything)).toEqual([]);
    },
  );

  it("notices a metric and a label that there are not", () => {
    expect(unknownIn("rate(nv_inference_request_duration_us_bucket[5m])", everything)).toEqual([
      "unknown metric nv_inference_request_duration_us_bucket",
    ]);
    expect(unknownIn('sum by (pctl) (up{quantile="0.5"})', everything)).toEqual([
      "up has no label quantile",
      "nothing here has the label pctl",
    ]);
  });

  it("are about this platform alone: each of its own series has its namespace", () => {
    const shared = /^(DCGM_|prometheus_|probe_)/;
    for (const { expr } of rulesOf(everything)) {
      for (const { metric, matchers } of parseQuery(expr).selectors) {
        if (shared.test(metric) || matchers.some(({ value }) => value === "dcgm")) continue;
        expect(matchers, `${metric} in ${expr}`).toContainEqual({
          label: "namespace",
          operator: "=",
          value: "triton",
        });
      }
    }
    for (const { labels } of rulesOf(everything)) expect(labels).toMatchObject({ namespace: "triton" });
  });

  it("are as many for a thousand models as for one, but for their promises", () => {
    const many = watched(
      Array.from({ length: 300 }, (_, i) => ({ ...embed, spec: { ...embed.spec, name: `m${String(i)}` } })),
    );
    const one = watched([embed]);
    const count = (platform: typeof many): number[] =>
      ruleFile(platform).groups.map(({ rules }) => rules.length);
    const [objectivesOfMany = 0, ...restOfMany] = count(many);
    const [objectivesOfOne = 0, ...restOfOne] = count(one);
    expect(restOfMany).toEqual(restOfOne);
    expect(objectivesOfMany - objectivesOfOne).toBe(299 * 3);
  });

  it("of any platform are PromQL with known names", () => {
    fc.assert(
      fc.property(
        fc.subarray([embed, classify, chat, modelOf("a.b+c")], { minLength: 1 }),
        fc.constantFrom(onCluster, onMachine, { ...onCluster, gpu: "triton" as const }),
        fc.integer({ min: 1, max: 1_000 }),
        (models, target, speedUp) => {
          const platform = watched(models, target, {
            servers: {
              gpu: {},
              ...(models.includes(chat) && models.length > 1 ? { llm: { models: ["chat"] } } : {}),
            },
            monitoring: { speedUp },
          });
          for (const { expr } of rulesOf(platform)) expect(unknownIn(expr, platform), expr).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("measure failures and times of an LLM proxy by its own counters, and not by Triton's", () => {
    const rate = rulesOf(everything).find(
      (rule) => "record" in rule && rule.record === "model:failures:rate1m",
    );
    expect(rate?.expr).toContain('nv_inference_request_failure{namespace="triton",model!~"chat"');
    expect(rate?.expr).toContain("llm_requests_total");
    const slow = rulesOf(everything).find(
      (rule) => "record" in rule && rule.record === "model:slow_requests:rate1m",
    );
    expect(slow?.expr).toContain('llm_request_seconds_bucket{namespace="triton",model="chat",le="30"}');
    expect(slow?.expr).toContain('nv_inference_request_success{namespace="triton",model=~"embed"}');
  });
});

describe("the alerts", () => {
  const alerts = alertsOf(everything);

  it("say how bad they are, tell a number, and have a name of their own", () => {
    expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length);
    for (const { name, severity, summary } of alerts) {
      expect(name).toMatch(/^Triton[A-Z]\w+$/);
      expect(["critical", "warning"]).toContain(severity);
      expect(summary).toMatch(/\{\{|No balancer/);
    }
  });

  it("link each to a runbook that is there, and no runbook is without its alert", () => {
    const names = readdirSync(path.join(projectRoot, "docs", "runbooks")).filter(
      (name) => name !== "README.md",
    );
    expect(names.sort()).toEqual(alerts.map(({ name }) => `${name}.md`).sort());
    const rules = ruleFile({
      ...everything,
      config: { ...everything.config, runbooks: "https://example.com/r" },
    });
    for (const rule of rules.groups.flatMap(({ rules }) => rules)) {
      if ("alert" in rule)
        expect(rule.annotations.runbook_url).toBe(`https://example.com/r/${rule.alert}.md`);
    }
  });

  it("leave out what a platform does not have", () => {
    const small = alertsOf(watched([modelOf("plain")])).map(({ name }) => name);
    expect(small).toEqual([
      "TritonTargetDown",
      "TritonBalancerDown",
      "TritonNoReadyReplica",
      "TritonReplicaFlapping",
      "TritonFailureRatio",
      "TritonQueueTime",
      "TritonPendingRequests",
      "TritonModelLoadSlow",
      "TritonPrometheusRuleFailures",
      "TritonPrometheusReloadFailed",
      "TritonPrometheusNotIngesting",
    ]);
  });

  it("do not call a group that may sleep dead", () => {
    const platform = watched([embed, classify], onCluster, {
      target: "kubernetes",
      servers: { gpu: {}, rare: { models: ["classify"], autoscaling: { minReplicas: 0, maxReplicas: 2 } } },
      kubernetes: { repository: { source: "s3", bucket: "models" } },
    });
    const alert = alertsOf(platform).find(({ name }) => name === "TritonNoReadyReplica");
    expect(alert?.expr).toContain('proxy=~"http-gpu"');
  });
});
