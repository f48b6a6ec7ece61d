import { describe, expect, it } from "vitest";
import { parsePlatform } from "../../../../core/spec/platform.ts";

const least = {
  "triton-platform:target": "kubernetes",
  "triton-platform:servers": { gpu: {} },
  "triton-platform:defaultServer": "gpu",
  "triton-platform:kubernetes": { repository: { source: "s3", bucket: "models" } },
  "holysheep:baseUrl": "https://api.example.com/v1",
  "holysheep:model": "some-model",
};

function problemsOf(
  monitoring: unknown,
  target = "kubernetes",
): readonly (readonly [string, string, string])[] {
  const values = { ...least, "triton-platform:target": target, "triton-platform:monitoring": monitoring };
  const parsed = parsePlatform(values, "Pulumi.test.yaml");
  return "problems" in parsed ? parsed.problems.map(({ path, message, hint }) => [path, message, hint]) : [];
}

const place = "triton-platform:monitoring";

describe("the config of the monitoring", () => {
  it("reads thresholds with their units, and who gets alerts", () => {
    const parsed = parsePlatform(
      {
        ...least,
        "triton-platform:monitoring": {
          thresholds: { failureRatio: "2%", queueTime: "20ms", certificateExpiry: "240h" },
          dailyBudget: 12.5,
          stackExpiry: "2026-12-01T18:00:00Z",
          prometheus: {
            kind: "kube-prometheus-stack",
            volume: { size: "100GiB" },
            alertmanager: {
              receivers: {
                "on-call": { kind: "pagerduty", routingKey: { secretName: "pagerduty", key: "key" } },
                team: { kind: "slack", url: { secretName: "slack", key: "url" }, channel: "#triton" },
              },
              critical: ["on-call", "team"],
              warning: ["team"],
            },
          },
        },
      },
      "Pulumi.test.yaml",
    );
    expect(parsed).toMatchObject({
      value: {
        monitoring: {
          thresholds: { failureRatio: 0.02, queueTime: 20_000, certificateExpiry: 864_000e6 },
          prometheus: { namespace: "monitoring", retention: 1_296_000e6, volume: { size: 100 * 2 ** 30 } },
        },
      },
    });
  });

  it.each([
    {
      what: "a receiver that is not described",
      monitoring: {
        prometheus: {
          kind: "kube-prometheus-stack",
          alertmanager: {
            receivers: { team: { kind: "webhook", url: { secretName: "hook", key: "url" } } },
            critical: ["team", "teem"],
          },
        },
      },
      problem: [`${place}.prometheus.alertmanager.critical[1]`, '"teem" is no receiver', "name one of team"],
    },
    {
      what: "less history than alerts look back on",
      monitoring: { prometheus: { kind: "kube-prometheus-stack", retention: "24h" } },
      problem: [
        `${place}.prometheus.retention`,
        "shorter than the longest window of the alerts",
        "write at least 72h",
      ],
    },
    {
      what: "a time that is none",
      monitoring: { stackExpiry: "tomorrow" },
      problem: [
        `${place}.stackExpiry`,
        '"tomorrow" is no time',
        "write it in UTC, like 2026-12-01T18:00:00Z",
      ],
    },
    {
      what: "drills on a cluster",
      monitoring: { speedUp: 60 },
      problem: [
        `${place}.speedUp`,
        "windows this short would wake people for nothing",
        "remove it, it is for drills on the target local",
      ],
    },
    {
      what: "a misspelt threshold",
      monitoring: { thresholds: { queuTime: "1s" } },
      problem: [`${place}.thresholds.queuTime`, "unknown key `queuTime`", "did you mean `queueTime`?"],
    },
  ])("refuses $what", ({ monitoring, problem }) => {
    expect(problemsOf(monitoring)).toEqual([problem]);
  });

  it("refuses a second Prometheus on this machine", () => {
    expect(problemsOf({ prometheus: { kind: "existing" } }, "local")).toEqual([
      [`${place}.prometheus`, "the target local has a Prometheus of its own", "remove it"],
    ]);
  });
});
