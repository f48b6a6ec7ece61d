import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, test } from "vitest";
import { blockSize, findFreeBlock, portsFrom } from "../../commands/bench/ports.ts";
import { endedChildrenSeconds, parseStat, treeSeconds } from "../../commands/bench/processor-time.ts";
import { turn } from "../../commands/bench/race.ts";
import { formatCell, formatSection, processorName, raceRows } from "../../commands/bench/report.ts";
import { setupRows } from "../../commands/bench/setup.ts";
import { medianOf, ratioOf, summarise, summariseAll, type Summary } from "../../commands/bench/statistics.ts";
import { withoutBatching } from "../../commands/bench/twins.ts";

const round = (perSecond: number): Summary => ({ perSecond, p50: 1, p99: 2, errors: 1 });

test("only what was answered inside the window counts", () => {
  const calls = Array.from({ length: 100 }, (_, i) => ({ at: (i + 1) / 10, milliseconds: i + 1 }));
  const summary = summarise({ calls, errors: 3 }, { from: 1, to: 3 });
  expect(summary).toMatchObject({ perSecond: 10, p50: 20.5, errors: 3 });
  expect(summary.p99).toBeGreaterThan(29);
  expect(summary.p99).toBeLessThanOrEqual(30);
});

test("a load without an answer is no number, and no exception", () => {
  expect(summarise({ calls: [], errors: 7 }, { from: 0, to: 1 })).toEqual({
    perSecond: 0,
    p50: NaN,
    p99: NaN,
    errors: 7,
  });
  expect(summariseAll({ calls: [], errors: 0 }).perSecond).toBe(0);
  expect(formatCell(NaN)).toBe("-");
});

test("a fixed number of calls is measured to its last answer, in whatever order they came", () => {
  const calls = [4, 1, 2].map((at) => ({ at, milliseconds: 200 }));
  expect(summariseAll({ calls, errors: 0 }).perSecond).toBe(0.75);
});

test("rounds are summed up by their medians, errors by their sum", () => {
  expect(medianOf([round(10), round(1000), round(20)])).toEqual({ perSecond: 20, p50: 1, p99: 2, errors: 3 });
});

test("a ratio is taken round by round, so that a slow round of the machine does not show", () => {
  const reference = [round(100), round(10), round(200)];
  const other = [round(50), round(5), round(120)];
  expect(ratioOf(other, reference)).toEqual({ median: 0.5, least: 0.5, most: 0.6 });
});

test("every round begins with another contestant, and all take part", () => {
  expect([0, 1, 2, 3].map((number) => turn(3, number))).toEqual([
    [0, 1, 2],
    [1, 2, 0],
    [2, 0, 1],
    [0, 1, 2],
  ]);
});

test("the table shows the first way as what the others are compared with", () => {
  const rows = raceRows(["straight", "HAProxy"], [[round(100)], [round(80)]], "against straight");
  const text = formatSection({ title: "Balancer", notes: ["a note"], rows });
  expect(rows.map((row) => formatCell(row["against straight"] ?? ""))).toEqual(["1", "0.80 (0.80–0.80)"]);
  for (const part of ["Balancer", "requests/s", "HAProxy", "a note"]) expect(text).toContain(part);
});

test("ports: the first block that is free as a whole, and none is given twice", async () => {
  const base = await findFreeBlock((port) => Promise.resolve(port !== 20_007 && port !== 20_050), 0);
  const { platform, nginx } = portsFrom(base);
  const all = [...Object.values(platform), nginx];
  expect(base).toBe(20_100);
  expect(new Set(all).size).toBe(all.length);
  for (const port of all) expect(port).toBeLessThan(base + blockSize);
});

test("ports: a machine without a free block is told so", async () => {
  await expect(findFreeBlock(() => Promise.resolve(false))).rejects.toThrow(/no 100 free ports in a row/);
});

test("set-up: each step once, npm's last line, and the rest is bringing the platform up", () => {
  const lines = [
    "Installing npm packages (npm ci) … 0 s",
    "Installing npm packages (npm ci) … 10 s",
    "Installing npm packages (npm ci) … 12 s",
    "❯ Python environment",
    "✔ Python environment (30.5 s)",
    "✔ Triton (1.5 s)",
    "  gpu-0: done (3.1 s)",
  ];
  expect(setupRows(lines, 60)).toEqual([
    { step: "npm packages", seconds: 12 },
    { step: "Python environment", seconds: 30.5 },
    { step: "Triton", seconds: 1.5 },
    { step: "platform up, every model called", seconds: 16 },
    { step: "all", seconds: 60 },
  ]);
});

test("twins: the same spec without batching", () => {
  expect(withoutBatching("backend: onnxruntime\nbatching: { maxQueueDelay: 5ms }\nmaxBatchSize: 8\n")).toBe(
    "backend: onnxruntime\nmaxBatchSize: 8\n",
  );
});

test("the processor's name comes from /proc/cpuinfo, and is the architecture where that has none", () => {
  expect(processorName("processor\t: 0\nmodel name\t: AMD EPYC 9B14\nflags\t: fpu\n")).toBe("AMD EPYC 9B14");
  expect(processorName("processor\t: 0\nBogoMIPS\t: 50.00\n")).toMatch(/^[a-z0-9]+$/);
});

describe("processor time", () => {
  it("is read from /proc/<pid>/stat, whatever the program is called", () => {
    const text = "42 (a) b (c)) S 7 42 42 0 -1 4194304 100 0 0 0 250 50 1000 25 20 0 4 0 9000 1 2 3";
    expect(parseStat(text)).toEqual({ parent: 7, own: 3, ended: 10.25 });
  });

  it("is that of a tree of processes, and of children that have ended", async () => {
    const busy = `const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end);`;
    const nested = `require("node:child_process").execFileSync(process.execPath, ["-e", ${JSON.stringify(busy)}]);`;
    const before = endedChildrenSeconds();
    const child = spawn(process.execPath, ["-e", `${nested} process.stdin.resume(); console.log("done")`]);
    await once(child.stdout, "data");
    expect(treeSeconds(child.pid ?? 0)).toBeGreaterThan(0.25);
    expect(treeSeconds(process.pid)).toBeGreaterThan(treeSeconds(child.pid ?? 0));
    child.stdin.end();
    await once(child, "exit");
    expect(endedChildrenSeconds() - before).toBeGreaterThan(0.25);
  });
});
