import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../commands/setup/places.ts";

let folder: string;
let server: Server;
let address: string;

/** What the server answers to, by path. */
const served = new Map<string, Buffer>();

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "setup-download-test-"));
  mkdirSync(path.join(folder, "release", "pulumi"), { recursive: true });
  writeFileSync(path.join(folder, "release", "pulumi", "pulumi"), "#!/bin/sh\necho v3.1.2\n", {
    mode: 0o755,
  });
  const archive = path.join(folder, "tool.tar.gz");
  await execa("tar", ["-czf", archive, "-C", path.join(folder, "release"), "pulumi"]);
  const content = readFileSync(archive);
  const sha256 = createHash("sha256").update(content).digest("hex");
  served.set("/tool.tar.gz", content);
  served.set("/checksums.txt", Buffer.from(`${"0".repeat(64)}  other.tar.gz\n${sha256}  tool.tar.gz\n`));
  served.set("/wrong.txt", Buffer.from(`${"0".repeat(64)}  tool.tar.gz\n`));
  served.set("/empty.txt", Buffer.from(""));

  server = createServer(({ url }, response) => {
    const body = served.get(url ?? "");
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the server has no port");
  address = `http://127.0.0.1:${String(bound.port)}`;
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function download(checksums: string, archive = "tool.tar.gz") {
  const target = mkdtempSync(path.join(folder, "target-"));
  const script = path.join(projectRoot, "commands/setup/engine/download.py");
  const args = [script, `${address}/${archive}`, `${address}/${checksums}`, target];
  const { exitCode, stderr } = await execa("python3", args, {
    reject: false,
    env: { no_proxy: "127.0.0.1" },
  });
  return { target, exitCode, stderr };
}

describe.concurrent("download.py", () => {
  it("unpacks what has the right checksum", async ({ expect }) => {
    const { target, exitCode, stderr } = await download("checksums.txt");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect((await execa(path.join(target, "pulumi", "pulumi"))).stdout).toBe("v3.1.2");
    expect(existsSync(path.join(target, "tool.tar.gz"))).toBe(false);
  });

  it.each([
    ["wrong.txt", "tool.tar.gz", /^error: tool\.tar\.gz has sha256 [0-9a-f]{64}, not 0{64}$/],
    ["empty.txt", "tool.tar.gz", /^error: .*empty\.txt does not name tool\.tar\.gz$/],
    ["absent.txt", "tool.tar.gz", /^error: HTTP Error 404/],
    ["checksums.txt", "other.tar.gz", /^error: HTTP Error 404/],
  ])("refuses with %s for %s", async (checksums, archive, why) => {
    const { target, exitCode, stderr } = await download(checksums, archive);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(why);
    expect(existsSync(path.join(target, "pulumi"))).toBe(false);
  });
});
