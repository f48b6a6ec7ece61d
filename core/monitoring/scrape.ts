import yaml from "js-yaml";
import { droppedOfTriton, keptOfHaproxy } from "./metrics.ts";

/** What Prometheus scrapes: a job per kind of server, with labels that name group and replica. */
export interface ScrapeTarget {
  readonly job: string;
  /** `host:port` of a `/metrics` page. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PrometheusOptions {
  /** Seconds between two scrapes, and between two evaluations. */
  readonly interval: number;
  /** Files of rules, as patterns. */
  readonly ruleFiles: readonly string[];
}

/** One rule on what a scrape gave. Source: Prometheus, "Configuration", relabel_config. */
export interface MetricFilter {
  readonly sourceLabel: "__name__";
  readonly regex: string;
  readonly action: "keep" | "drop";
}

/** What of a job's pages is stored: metrics.ts says why. */
export const metricFilters: Readonly<Record<string, MetricFilter>> = {
  haproxy: { sourceLabel: "__name__", regex: keptOfHaproxy, action: "keep" },
  triton: { sourceLabel: "__name__", regex: droppedOfTriton, action: "drop" },
};

/** prometheus.yml for static targets. */
export function renderPrometheusConfig(
  targets: readonly ScrapeTarget[],
  { interval, ruleFiles }: PrometheusOptions,
): string {
  const jobs = [...new Set(targets.map(({ job }) => job))];
  const every = `${String(interval)}s`;
  return yaml.dump(
    {
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: ruleFiles,
      scrape_configs: jobs.map((job) => ({
        job_name: job,
        static_configs: targets
          .filter((target) => target.job === job)
          .map(({ address, labels }) => ({ targets: [address], labels })),
        ...relabelling(job),
      })),
    },
    { lineWidth: -1 },
  );
}

function relabelling(job: string): object {
  const filter = Object.hasOwn(metricFilters, job) ? metricFilters[job] : undefined;
  if (filter === undefined) return {};
  const { sourceLabel, regex, action } = filter;
  return { metric_relabel_configs: [{ source_labels: [sourceLabel], regex, action }] };
}
