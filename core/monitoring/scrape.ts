import yaml from "js-yaml";

/** What Prometheus scrapes: a job per kind of server, with labels that name group and replica. */
export interface ScrapeTarget {
  readonly job: string;
  /** `host:port` of a `/metrics` page. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** prometheus.yml for static targets. */
export function renderPrometheusConfig(targets: readonly ScrapeTarget[], interval = "5s"): string {
  const jobs = [...new Set(targets.map(({ job }) => job))];
  return yaml.dump({
    global: { scrape_interval: interval, evaluation_interval: interval },
    scrape_configs: jobs.map((job) => ({
      job_name: job,
      static_configs: targets
        .filter((target) => target.job === job)
        .map(({ address, labels }) => ({ targets: [address], labels })),
    })),
  });
}
