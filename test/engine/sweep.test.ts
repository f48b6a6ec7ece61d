import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { benchmarkSchema } from "../../core/benchmark/result.ts";
import { sharedMemoryName } from "../../core/local/plan.ts";
import { root } from "../support/platform.ts";

const { python, triton, programs, engine } = readyTools(placesIn(root));
const missing = Object.entries({ python, triton, programs, engine }).flatMap(([name, tool]) =>
  tool === undefined ? [name] : [],
);

describe.skipIf(missing.length > 0)(
  `npm run bench:sweep${missing.length > 0 ? ` (no ${missing.join(", ")})` : ""}`,
  () => {
    let folder: string;
    let out: string;
    /** Where the sweep has its temporary files. */
    let scratch: string;
    let models: string;
    let stop: () => Promise<unknown> = () => Promise.resolve();

    beforeEach(async () => {
      folder = mkdtempSync(path.join(tmpdir(), "tp-sweep-"));
      out = path.join(folder, "out");
      scratch = path.join(folder, "tmp");
      mkdirSync(scratch);
      models = await changedModels();
    });
    afterEach(async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    });

    /** One caller waits for company that does not come: without a delay it is answered several times as fast. */
    const options = [
      ...["--model", "embedding-model", "--max-batch-size", "64", "--queue-delay", "0us"],
      ...["--concurrency", "1", "--seconds", "0.5", "--warm-up", "0", "--rounds", "2"],
      ...["--latency-limit", "10s"],
    ];

    function command(...args: string[]) {
      const running = execa(process.execPath, [path.join(root, "commands", "run.mjs"), ...args], {
        cwd: root,
        env: { TMPDIR: scratch },
        stdin: "ignore",
        reject: false,
      });
      // Where a test has ended before it.
      stop = () => {
        running.kill("SIGINT");
        return running;
      };
      return running;
    }

    async function changedModels(): Promise<string> {
      return (await execa("git", ["status", "--porcelain", "--", "models"], { cwd: root })).stdout;
    }

    function platformFolders(): string[] {
      return readdirSync(scratch).filter((name) => name.startsWith("triton-bench-"));
    }

    async function expectNothingLeft(): Promise<void> {
      expect(platformFolders()).toEqual([]);
      const { stdout } = await execa("pgrep", ["-fc", scratch], { reject: false });
      expect(stdout).toBe("0");
      expect(await changedModels()).toBe(models);
    }

    function resultIn(file: string) {
      return benchmarkSchema.parse(JSON.parse(readFileSync(path.join(out, file), "utf8")));
    }

    it("measures settings, says what to make of them, and leaves a result alone", async () => {
      const { exitCode, stdout, stderr } = await command("bench-sweep", ...options, "--out", out);
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toMatch(/│ 2 +│ 64 +│ 5 ms +│ 1 +│/);
      expect(stdout).toMatch(/│ 2 +│ 64 +│ 0[^│]*│ 1 +│/);
      expect(stdout).toContain("All 2 settings were tried.");
      expect(stdout).toMatch(
        /Better, and not by chance|Not told apart|Not better after all|Nothing that was/,
      );
      expect(stdout).toContain("All of it is of this machine's CPU.");
      const [file = "", ...others] = readdirSync(out);
      expect(others).toEqual([]);
      expect(stdout).toContain(`npm run bench:report -- ${path.join(out, file)}`);
      const { series } = resultIn(file);
      expect(series.map(({ settings }) => settings)).toEqual([
        { maxBatchSize: 64, maxQueueDelayMs: 5 },
        { maxBatchSize: 64, maxQueueDelayMs: 0 },
      ]);
      for (const { points } of series) expect(points).toMatchObject([{ concurrency: 1, failures: {} }]);
      const report = await command("bench-report", path.join(out, file));
      expect(report.exitCode, report.stderr).toBe(0);
      expect(report.stdout).toContain("batches to 64, delay 0 ms");
      await expectNothingLeft();
    });

    it("that is stopped shows what it has, and stops all that it started", async () => {
      const sweep = command("bench-sweep", ...options, "--out", out);
      let directory = "";
      for await (const line of sweep.iterable({ from: "stderr" })) {
        if (!/^ {2}2: /.test(line)) continue;
        directory = path.join(scratch, platformFolders()[0] ?? "", "platform");
        sweep.kill("SIGINT");
      }
      const { exitCode, stdout } = await sweep;
      expect(exitCode, stdout).toBe(130);
      expect(stdout).toMatch(/best +│ 2 +│ 64 +│ 5 ms +│ 1 +│/);
      expect(stdout).toContain("1 of 2 settings were tried before the sweep was stopped");
      expect(readdirSync(out).map((file) => resultIn(file).series.length)).toEqual([1]);
      expect(path.basename(path.dirname(directory))).toMatch(/^triton-bench-/);
      const shared = readdirSync("/dev/shm").filter((name) => name.startsWith(sharedMemoryName(directory)));
      expect(shared).toEqual([]);
      await expectNothingLeft();
    });
  },
);
