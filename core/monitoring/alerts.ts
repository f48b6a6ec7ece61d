import type { Alert } from "./alerts/alert.ts";
import { gpuAlerts } from "./alerts/gpu.ts";
import { llmAlerts } from "./alerts/llm.ts";
import { objectiveAlerts } from "./alerts/objectives.ts";
import { servingAlerts } from "./alerts/serving.ts";
import { surroundingAlerts } from "./alerts/surroundings.ts";
import type { MonitoredPlatform } from "./platform.ts";
import { period } from "./promql.ts";
import type { AlertingRule } from "./rule.ts";

/** The alerts that a platform can have: those of parts that it lacks are left out. */
export function alertsOf(platform: MonitoredPlatform): readonly Alert[] {
  return [
    ...servingAlerts(platform),
    ...objectiveAlerts(platform),
    ...llmAlerts(platform),
    ...gpuAlerts(platform),
    ...surroundingAlerts(platform),
  ];
}

export function alertRules(platform: MonitoredPlatform): AlertingRule[] {
  const { config, target } = platform;
  return alertsOf(platform).map(({ name, severity, expr, for: seconds, summary }) => ({
    alert: name,
    expr,
    ...(seconds === undefined ? {} : { for: period(platform, seconds) }),
    labels: { ...target.scope, severity },
    annotations: { summary, runbook_url: `${config.runbooks}/${name}.md` },
  }));
}
