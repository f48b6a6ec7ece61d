import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { alertsOf } from "../../../../core/monitoring/alerts.ts";
import { projectRoot } from "../../../support/tools.ts";
import { everything, unknownIn } from "../../../support/monitoring.ts";

const folder = path.join(projectRoot, "docs", "runbooks");

describe.each(alertsOf(everything).map(({ name }) => name))("the runbook of %s", (name) => {
  const text = readFileSync(path.join(folder, `${name}.md`), "utf8");
  const queries = [...text.matchAll(/```promql\n(.*?)\n```/gs)].map(([, query = ""]) => query);

  it("says what it means, how to confirm and to mend it, and when to escalate", () => {
    expect(text.match(/^# .*|^## .*/gm)).toEqual([`# ${name}`, "## Confirm", "## Mend", "## Escalate"]);
    expect(queries.length).toBeGreaterThan(0);
  });

  it("asks for metrics and labels that there are", () => {
    for (const query of queries) expect(unknownIn(query, everything), query).toEqual([]);
  });

  it("leads to runbooks that there are", () => {
    const names = new Set(alertsOf(everything).map((alert) => `${alert.name}.md`));
    for (const [, target = ""] of text.matchAll(/\]\((Triton\w+\.md)\)/g)) expect(names).toContain(target);
  });
});
