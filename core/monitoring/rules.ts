import yaml from "js-yaml";
import { alertRules } from "./alerts.ts";
import type { MonitoredPlatform } from "./platform.ts";
import { recordingGroups } from "./recording.ts";
import type { RuleFile } from "./rule.ts";

/** Everything that Prometheus works out of a platform's metrics. */
export function ruleFile(platform: MonitoredPlatform): RuleFile {
  return {
    groups: [...recordingGroups(platform), { name: "triton-alerts", rules: alertRules(platform) }].filter(
      ({ rules }) => rules.length > 0,
    ),
  };
}

export function renderRules(file: RuleFile): string {
  return yaml.dump(file, { lineWidth: -1, noRefs: true });
}
