import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import yaml from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { alertsOf } from "../../core/monitoring/alerts.ts";
import type { MonitoredPlatform } from "../../core/monitoring/platform.ts";
import { renderRules, ruleFile } from "../../core/monitoring/rules.ts";
import { everything, onMachine, watched } from "../support/monitoring.ts";
import { modelOf } from "../support/models.ts";
import { needing, promtool, runTool } from "../support/tools.ts";
import { alertCases, type AlertCase, type Series } from "./alert-cases.ts";

/** Promtool's time begins in 1970: this stack ends an hour after. */
const platform: MonitoredPlatform = {
  ...everything,
  config: { ...everything.config, stackExpiry: "1970-01-01T01:00:00Z" },
};
const severities = new Map(alertsOf(platform).map(({ name, severity }) => [name, severity]));

const cases: readonly AlertCase[] = [
  ...alertCases,
  {
    alert: "TritonStackExpired",
    at: "90m",
    firing: {},
    says: [
      {
        labels: {},
        summary: "This stack should have been destroyed 30m 0s ago, and still costs money",
      },
    ],
    silent: {},
  },
];

describe("the cases", () => {
  it("are of all alerts, and of no other", () => {
    expect(cases.map(({ alert }) => alert).sort()).toEqual([...severities.keys()].sort());
  });
});

describe.skipIf(promtool.program === undefined)(needing(promtool, "rules, judged by promtool"), () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "rules-"));
    writeFileSync(path.join(folder, "rules.yml"), renderRules(ruleFile(platform)));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it("are valid, of this and of other platforms", () => {
    const others = [
      watched([modelOf("plain")]),
      watched(
        [modelOf("a.b+c"), modelOf('quoted"name')],
        { ...onMachine, gpu: "triton" },
        { monitoring: { speedUp: 60 } },
      ),
    ];
    others.forEach((other, i) => {
      const file = path.join(folder, `other-${String(i)}.yml`);
      writeFileSync(file, renderRules(ruleFile(other)));
      expect(runTool(promtool, ["check", "rules", file])).toContain("SUCCESS");
    });
    expect(runTool(promtool, ["check", "rules", path.join(folder, "rules.yml")])).toContain("SUCCESS");
  });

  function test(name: string, at: string, tests: object): void {
    const file = path.join(folder, `${name}.test.yml`);
    const document = {
      rule_files: ["rules.yml"],
      // Promtool evaluates every rule each time: of hours, each minute will do.
      evaluation_interval: Number.parseInt(at, 10) < 20 ? "15s" : "1m",
      tests: [{ interval: "15s", ...tests }],
    };
    writeFileSync(file, yaml.dump(document));
    const { status, stdout, stderr } = spawnSync(promtool.program ?? "", ["test", "rules", file], {
      encoding: "utf8",
    });
    expect(status, `${stdout}${stderr}`).toBe(0);
  }

  const inputs = (series: Series): object[] =>
    Object.entries(series).map(([name, values]) => ({ series: name, values }));

  it.each(cases)("$alert fires, and says what is wrong", ({ alert, at, firing, says }) => {
    test(`${alert}-firing`, at, {
      input_series: inputs(firing),
      alert_rule_test: [
        {
          eval_time: at,
          alertname: alert,
          exp_alerts: says.map(({ labels, summary }) => ({
            exp_labels: { ...labels, namespace: "triton", severity: severities.get(alert) },
            exp_annotations: { summary, runbook_url: `docs/runbooks/${alert}.md` },
          })),
        },
      ],
    });
  });

  it.each(cases)("$alert keeps silent where nothing is wrong", ({ alert, at, silent }) => {
    const quiet = alert === "TritonStackExpired" ? "50m" : at;
    test(`${alert}-silent`, quiet, {
      input_series: inputs(silent),
      alert_rule_test: [{ eval_time: quiet, alertname: alert, exp_alerts: [] }],
    });
  });

  it("calls that reach no replica are the failures of its models", () => {
    const of = (metric: string): string =>
      `${metric}{job="haproxy",instance="b",namespace="triton",proxy="grpc-gpu"}`;
    test("lost", "75m", {
      input_series: inputs({
        [of("haproxy_backend_http_requests_total")]: "0+100x360",
        [of("haproxy_backend_connection_errors_total")]: "0+50x360",
        [of("haproxy_backend_response_errors_total")]: "0+0x360",
      }),
      promql_expr_test: [
        {
          expr: "model:availability_errors:ratio_1h",
          eval_time: "75m",
          exp_samples: ["classify", "embed", "unpromised"]
            .map((model) => ({
              labels: `model:availability_errors:ratio_1h{namespace="triton",server="gpu",model="${model}"}`,
              value: 0.5,
            }))
            .concat([
              {
                labels: 'model:availability_errors:ratio_1h{namespace="triton",server="llm",model="chat"}',
                value: 0,
              },
            ]),
        },
      ],
    });
  });
});
