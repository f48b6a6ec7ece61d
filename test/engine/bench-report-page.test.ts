import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium as browsers, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../commands/bench-report.ts";
import { benchmarkOf, pointsOf, seriesOf } from "../support/benchmarks.ts";
import { runCommand } from "../support/command.ts";
import { chromium, needing } from "../support/tools.ts";

/** The page of `npm run bench:report` in a real browser. */
describe.skipIf(chromium.program === undefined)(needing(chromium, "the page of a benchmark"), () => {
  let folder: string;
  let browser: Browser;
  const file = (name: string): string => path.join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-bench-page-"));
    const points = pointsOf({ seed: 3, speed: 0.85 }).map((point, i) => ({
      ...point,
      gpus: [
        { uuid: "GPU-1", utilization: 0.05 * (i % 20), memoryUsedBytes: 2 ** 33, memoryTotalBytes: 2 ** 36 },
      ],
    }));
    const result = benchmarkOf([
      seriesOf({ points, pricePerHour: 40 }),
      seriesOf({ protocol: "grpc", pricePerHour: 40 }, { speed: 1.2, seed: 8 }),
      seriesOf({ model: "text-classifier", latencyP99LimitMs: 28 }, { levels: [1, 5, 9, 13], repeats: 1 }),
      seriesOf({ model: "text-labels", points: [], stopped: "interrupted" }),
    ]);
    writeFileSync(file("after.json"), JSON.stringify(result));
    writeFileSync(file("before.json"), JSON.stringify(benchmarkOf([seriesOf({}, { seed: 4 })])));
    await runCommand(
      ...([main, file("after.json"), "--against", file("before.json"), "--out", folder] as const),
    );
    // A test's user is root in many containers, where Chromium has no sandbox.
    browser = await browsers.launch({ executablePath: chromium.program ?? "", args: ["--no-sandbox"] });
  });

  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    { what: "a desk in the light", width: 1400, height: 900, colorScheme: "light" },
    { what: "a phone in the dark", width: 390, height: 844, colorScheme: "dark" },
  ] as const)("draws every plot, for $what", async ({ width, height, colorScheme }) => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    page.on("request", (request) => request.url().startsWith("file:") || faults.push(request.url()));
    await page.goto(`file://${file("report.html")}`);
    const places = page.locator(".canvas");
    const count = await places.count();
    // Embedding: 2 of throughput, 2 for each series, GPU use and memory, cost; classifier: 4.
    expect(count).toBe(13);
    for (let i = 0; i < count; i++) {
      await places.nth(i).scrollIntoViewIfNeeded();
      const canvas = places.nth(i).locator("canvas");
      await canvas.waitFor();
      // A line in the first series' colour: axes and text have others.
      const drawn = await canvas.evaluate((element) => {
        if (!(element instanceof HTMLCanvasElement)) return 0;
        const probe = document.createElement("canvas").getContext("2d");
        const context = element.getContext("2d");
        if (probe === null || context === null) return 0;
        probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--series-0");
        probe.fillRect(0, 0, 1, 1);
        const colour = probe.getImageData(0, 0, 1, 1).data;
        const { data } = context.getImageData(0, 0, element.width, element.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) {
          const distance = [0, 1, 2].map((i) => Math.abs((data[at + i] ?? 0) - (colour[i] ?? 0)));
          if (data[at + 3] !== 0 && Math.max(...distance) < 60) count += 1;
        }
        return count;
      });
      expect(drawn, `plot ${String(i)}`).toBeGreaterThan(50);
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    expect(await page.locator(".tile").allInnerTexts()).toHaveLength(2);
    expect(await page.locator("tr.critical").first().innerText()).toMatch(
      /embedding-model, HTTP\s+regression/,
    );
    expect(faults).toEqual([]);
    await page.close();
  });
});
