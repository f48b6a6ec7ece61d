import { describe, expect, it } from "vitest";
import { fillIn } from "../../../../commands/dashboard/collect.ts";
import { renderPage, type Report, type ReportPanel } from "../../../../core/monitoring/report/page.ts";
import { formatValue } from "../../../../core/monitoring/report/values.ts";
import { everything } from "../../../support/monitoring.ts";

const lines: ReportPanel = {
  title: "Throughput",
  description: "Requests & answers",
  kind: "lines",
  unit: "reqps",
  series: [{ name: "embed", values: [1, null, 3] }],
};
const number: ReportPanel = {
  title: "Failing",
  description: "Share",
  kind: "number",
  unit: "percentunit",
  limits: [0.001, 0.05],
  series: [{ name: "all", values: [0, 0.02, null] }],
};
const report: Report = {
  title: "Triton <here>",
  times: [1_764_352_800, 1_764_352_860, 1_764_352_920],
  alerts: [
    {
      name: "TritonTargetDown",
      state: "firing",
      severity: "warning",
      summary: 'triton at "a" <b>',
      runbook: "file:///r.md",
    },
  ],
  sections: [
    {
      id: "triton-fleet",
      title: "Fleet",
      description: "All",
      isOpen: true,
      rows: [
        { title: "Now", panels: [number, lines, { ...lines, title: "GPUs", series: [], empty: "No GPU." }] },
      ],
    },
  ],
};

describe("the report of this machine", () => {
  const html = renderPage(report, { script: "void 0", style: "" });

  it("shows numbers, alerts and reasons without JavaScript", () => {
    expect(html).toContain('<output class="warning">2 %</output>');
    expect(html).toContain("triton at &quot;a&quot; &lt;b&gt;");
    expect(html).toContain('<a href="file:///r.md">runbook</a>');
    expect(html).toContain("<p>No GPU.</p>");
    expect(html).toContain('aria-label="Throughput: embed 3 /s"');
  });

  it("has all data in it, and asks the network for nothing", () => {
    const [, json = ""] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
    expect(JSON.parse(json)).toEqual({ times: report.times, panels: [lines] });
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
  });

  it("cannot be broken by what a label says", () => {
    const evil = { ...lines, title: "</script><img src=x>", series: [{ name: "</script><b>", values: [1] }] };
    const [section] = report.sections;
    const page = renderPage(
      {
        ...report,
        sections: section === undefined ? [] : [{ ...section, rows: [{ title: "r", panels: [evil] }] }],
      },
      { script: "", style: "" },
    );
    expect(page).not.toContain("<img");
    expect(page.match(/<\/script>/g)).toHaveLength(2);
  });
});

describe("a value for people", () => {
  it.each([
    [0.0234, "s", "23.4 ms"],
    [0.000_002, "s", "2 µs"],
    [600, "s", "10 min"],
    [0.999, "percentunit", "99.9 %"],
    [1234, "reqps", "1.23 k/s"],
    [1024 ** 3, "bytes", "1 GiB"],
    [2048, "mbytes", "2 GiB"],
    [0.0001, "currencyUSD", "$1.0e-4"],
    [4.2, "currencyUSD", "$4.20"],
    [1_410_000_000, "hertz", "1.41 GHz"],
    [Number.NaN, "s", "–"],
    [7, "none", "7"],
  ] as const)("%d in %s is %s", (value, unit, text) => {
    expect(formatValue(value, unit)).toBe(text);
  });
});

it("fills in what Grafana fills in", () => {
  const query = 'rate(x{job=~"$job",instance=~"$instance",model=~"$model"}[$__rate_interval])';
  expect(fillIn(query, everything, { step: 15 }, "a.b")).toBe(
    String.raw`rate(x{job=~".+",instance=~".+",model=~"a\\.b"}[60s])`,
  );
  expect(fillIn(query, everything, { step: 120 }, undefined)).toContain("[135s]");
});
