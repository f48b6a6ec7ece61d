/** One alert, before a platform's labels and links are on it. */
export interface Alert {
  /** Of the rule, and of its runbook: docs/runbooks/<name>.md. */
  readonly name: string;
  /** `critical` wakes somebody: users feel it now. `warning` is looked at in the next working hours. */
  readonly severity: "critical" | "warning";
  readonly expr: string;
  /** Seconds for which it must hold. Default: none. */
  readonly for?: number;
  /** A template of Prometheus' with the numbers: see "Template reference" there. */
  readonly summary: string;
}
