import yaml from "js-yaml";
import { alertRules } from "./alerts.ts";
import type { MonitoredPlatform } from "./platform.ts";
import { recordingGroups } from "./recording.ts";

/** A file of rules as Prometheus reads it. Source: Prometheus, "Defining recording rules" and "Alerting rules". */
export interface RuleFile {
  readonly groups: readonly RuleGroup[];
}

export interface RuleGroup {
  readonly name: string;
  /** How often it is evaluated. Default: as often as Prometheus does it. */
  readonly interval?: string;
  readonly rules: readonly Rule[];
}

export type Rule = RecordingRule | AlertingRule;

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: {
    /** What is wrong, with its numbers. */
    readonly summary: string;
    readonly runbook_url: string;
  };
}

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
