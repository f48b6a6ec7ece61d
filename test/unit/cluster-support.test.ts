import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { endProcesses, mountsBelow } from "../support/cluster-remains.ts";
import { clusterSuite, waitFor } from "../support/cluster.ts";

describe("waiting", () => {
  it("ends with what was seen, whatever earlier looks threw", async () => {
    let looks = 0;
    const look = (): Promise<number | undefined> => {
      looks += 1;
      if (looks === 1) return Promise.reject(new Error("not yet"));
      return Promise.resolve(looks === 2 ? undefined : looks);
    };
    expect(await waitFor("the third look", look, { interval: 1 })).toBe(3);
  });

  it("tells what was awaited and what stood in the way", async () => {
    const look = (): Promise<boolean> => Promise.reject(new Error("no such pod"));
    await expect(waitFor("a pod", look, { timeout: 5, interval: 1 })).rejects.toThrow(
      "waited 0.005 s in vain for a pod; the last look: no such pod",
    );
  });
});

describe("what a cluster leaves", () => {
  it("is found below its folder and nowhere else, the innermost mount first", () => {
    const mounts = [
      "tmpfs /tmp/a tmpfs rw 0 0",
      "tmpfs /tmp/a/b tmpfs rw 0 0",
      "tmpfs /tmp/a/b/c\\040d tmpfs rw 0 0",
      "tmpfs /tmp/ab/c tmpfs rw 0 0",
      "",
    ].join("\n");
    expect(mountsBelow("/tmp/a", mounts)).toEqual(["/tmp/a/b/c d", "/tmp/a/b"]);
  });

  it.skipIf(process.platform !== "linux")("is ended where its command line names the folder", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "remains-"));
    const child = spawn("sh", ["-c", "read line", path.join(folder, "any")]);
    try {
      await once(child, "spawn");
      const exit = once(child, "exit");
      expect(endProcesses(`${folder}-other`)).toBe(true);
      expect(endProcesses(folder)).toBe(false);
      expect(await exit).toEqual([null, "SIGKILL"]);
      expect(endProcesses(folder)).toBe(true);
    } finally {
      child.kill();
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a suite that needs a cluster", () => {
  it("says in its name what is missing", () => {
    expect(clusterSuite("the target", [])).toBe("the target");
    expect(clusterSuite("the target", ["runc", "containerd"])).toBe(
      "the target (skipped, missing: runc, containerd)",
    );
  });
});
