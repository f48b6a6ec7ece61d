import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import yaml from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { alertmanagerValues } from "../../core/kubernetes/alertmanager.ts";
import { merge } from "../../core/kubernetes/charts.ts";
import { monitoringSchema } from "../../core/spec/monitoring.ts";
import { receivers } from "../support/charts.ts";
import { alertsOf } from "../../core/monitoring/alerts.ts";
import { everything } from "../support/monitoring.ts";
import { amtool, needing, runTool } from "../support/tools.ts";

type Fields = Extract<
  NonNullable<z.input<typeof monitoringSchema>["prometheus"]>,
  { kind: "kube-prometheus-stack" }
>["alertmanager"];

/** What kube-prometheus-stack has under `alertmanager.config` itself, and Helm merges with ours. */
const ofChart = {
  global: { resolve_timeout: "5m" },
  templates: ["/etc/alertmanager/config/*.tmpl"],
  route: {
    group_by: ["namespace"],
    receiver: "null",
    routes: [{ receiver: "null", matchers: ['alertname = "Watchdog"'] }],
  },
  receivers: [{ name: "null" }],
};

/** alertmanager.yaml as the chart renders it. */
function configOf(alertmanager: Fields): object {
  const { prometheus } = monitoringSchema.parse({
    prometheus: { kind: "kube-prometheus-stack", alertmanager },
  });
  if (prometheus?.kind !== "kube-prometheus-stack") throw new Error("the config is of the chart");
  const { config } = z
    .object({ config: z.record(z.string(), z.unknown()) })
    .parse(alertmanagerValues(prometheus.alertmanager));
  return merge(ofChart, config);
}

describe.skipIf(amtool.program === undefined)(
  needing(amtool, "Alertmanager's config, judged by amtool"),
  () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(path.join(tmpdir(), "alertmanager-"));
    });
    afterAll(() => {
      rmSync(folder, { recursive: true });
    });

    function written(alertmanager: Fields): string {
      const file = path.join(folder, "alertmanager.yml");
      writeFileSync(file, yaml.dump(configOf(alertmanager)));
      return file;
    }

    /** Names of the receivers that an alert with these labels reaches. */
    function reached(file: string, ...labels: string[]): string[] {
      const answer = runTool(amtool, ["config", "routes", "test", `--config.file=${file}`, ...labels]);
      return answer.trim().split(",");
    }

    it.each([
      ["of nobody", {}],
      ["with a webhook", { receivers: { tickets: receivers.tickets }, warning: ["tickets"] }],
      ["with Slack", { receivers: { team: receivers.team }, critical: ["team"], warning: ["team"] }],
      ["with PagerDuty", { receivers: { pager: receivers.pager }, critical: ["pager"] }],
      ["with all of them", { receivers, critical: ["pager", "team"], warning: ["team", "tickets"] }],
    ] satisfies [string, Fields][])("%s is valid", (_, alertmanager) => {
      expect(runTool(amtool, ["check-config", written(alertmanager)])).toContain("SUCCESS");
    });

    it("sends alerts of each severity to whom the config says, and to nobody else", () => {
      const file = written({ receivers, critical: ["pager", "team"], warning: ["tickets"] });
      const severities = new Set(alertsOf(everything).map(({ severity }) => severity));
      expect([...severities].sort()).toEqual(["critical", "warning"]);
      expect(reached(file, "severity=critical", "alertname=TritonNoReadyReplica")).toEqual(["pager", "team"]);
      expect(reached(file, "severity=warning", "alertname=TritonQueueTime")).toEqual(["tickets"]);
      // The chart's own: one that always fires, and one that is only there to silence others.
      expect(reached(file, "severity=none", "alertname=Watchdog")).toEqual(["nobody"]);
      expect(reached(file, "severity=info", "alertname=InfoInhibitor")).toEqual(["nobody"]);
    });
  },
);
