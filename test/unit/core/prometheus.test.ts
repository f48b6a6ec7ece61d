import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { platform } from "../../support/platform-arbitraries.ts";
import { fileOf, localPlanOf, twoGroups } from "../../support/local.ts";
import { needing, promtool, runTool } from "../../support/tools.ts";

describe("prometheus.yml", () => {
  it("of two groups is as the golden file has it", async () => {
    const text = fileOf(localPlanOf(twoGroups), "prometheus-config");
    await expect(text).toMatchFileSnapshot("golden/prometheus.txt");
  });
});

describe.skipIf(promtool.program === undefined)(
  needing(promtool, "prometheus.yml, judged by promtool check config"),
  () => {
    it("is valid for any platform", () => {
      const folder = mkdtempSync(path.join(tmpdir(), "prometheus-"));
      try {
        const files = fc.sample(platform, 20).map((any, i) => {
          const file = path.join(folder, `${String(i)}.yml`);
          writeFileSync(file, fileOf(localPlanOf(any), "prometheus-config"));
          return file;
        });
        const said = runTool(promtool, ["check", "config", ...files]);
        expect(said.match(/SUCCESS/g)).toHaveLength(files.length);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);
