import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../commands/publish.ts";
import { runCommand } from "../support/command.ts";

describe("npm run publish", () => {
  let folder: string;

  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), "publish-")), "store");
  });

  afterEach(() => {
    rmSync(path.dirname(folder), { recursive: true, force: true });
  });

  function files(): string[] {
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  }

  it("writes every server's repository, and the second time nothing", async () => {
    const { code, stdout, stderr } = await runCommand(main, folder, "--stack", "onprem");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`${folder}\n`);
    const written = files();
    expect(
      written.filter((name) => /^servers\/(gpu|llm)\/\d{8}T\d{9}Z-[0-9a-f]{64}$/.test(name)),
    ).toHaveLength(2);
    expect(written.filter((name) => name.startsWith("manifests/"))).toHaveLength(2);
    await runCommand(main, folder, "--stack", "onprem", "--retain", "0");
    expect(files()).toEqual(written);
  });

  it.each<[string, string[], RegExp]>([
    ["no folder", ["--stack", "onprem"], /One folder and --stack are needed/],
    ["no stack", ["x"], /One folder and --stack are needed/],
    ["an unknown stack", ["x", "--stack", "onprm"], /no stack `onprm`[^]*onprem/],
    ["a stack of this machine", ["x", "--stack", "local"], /target local, whose pods read no folder/],
    ["a number that is none", ["x", "--stack", "onprem", "--retain", "1001"], /`--retain 1001` is no number/],
  ])("refuses %s", async (_, args, message) => {
    const result = await runCommand(main, ...args).catch((error: unknown) => ({
      code: 1,
      stderr: String(error),
    }));
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(message);
  });

  it("refuses the folder of another stack", async () => {
    await runCommand(main, folder, "--stack", "onprem");
    const { code, stderr } = await runCommand(main, folder, "--stack", "cloud");
    expect(code).toBe(1);
    expect(stderr).toContain(
      "belongs to the stack triton-platform/onprem, and this is triton-platform/cloud",
    );
  });
});
