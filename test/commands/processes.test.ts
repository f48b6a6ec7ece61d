import process from "node:process";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { isRunning } from "../../components/processes.ts";

describe("a process", () => {
  it("runs, whoever's it is", () => {
    expect(isRunning(process.pid)).toBe(true);
    expect(isRunning(1)).toBe(true);
  });

  it("runs no more when it has ended", async () => {
    const child = execa(process.execPath, ["--version"]);
    const { pid = 0 } = child;
    await child;
    expect(isRunning(pid)).toBe(false);
  });
});
