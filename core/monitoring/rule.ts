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
