import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../commands/setup/places.ts";

/** A checkout with commands made for these tests, which borrows this one's packages. */
let checkout: string;

beforeAll(() => {
  checkout = mkdtempSync(path.join(tmpdir(), "setup-run-test-"));
  mkdirSync(path.join(checkout, "commands"));
  for (const name of [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "commands/run.mjs",
    "commands/setup",
  ]) {
    cpSync(path.join(projectRoot, name), path.join(checkout, name), { recursive: true });
  }
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(checkout, "node_modules"));
  const command = (name: string, body: string): void => {
    const imports =
      'import { UserError } from "./setup/user-error.ts"; import { parseArgs } from "node:util";';
    const main = `export async function main(args: string[]): Promise<void> { ${body} }`;
    writeFileSync(path.join(checkout, "commands", `${name}.ts`), `${imports}\n${main}\n`);
  };
  command("echo", "console.log(JSON.stringify([args, process.argv.slice(2)]));");
  command("refuse", 'throw new UserError("the tank is empty", "fill it");');
  command("flags", "parseArgs({ options: {} });");
  command("break", "const nothing: unknown = undefined; (nothing as string[]).push(args[0] ?? '');");
});

afterAll(() => {
  rmSync(checkout, { recursive: true, force: true });
});

function run(...args: string[]) {
  return execa(process.execPath, [path.join(checkout, "commands", "run.mjs"), ...args], { reject: false });
}

describe.concurrent("run.mjs", { timeout: 30_000 }, () => {
  it("asks for a newer Node where this one is too old", async ({ expect }) => {
    const folder = mkdtempSync(path.join(checkout, "old-node-"));
    cpSync(path.join(checkout, "commands"), path.join(folder, "commands"), { recursive: true });
    writeFileSync(path.join(folder, "package.json"), '{"engines": {"node": ">=99.0"}}');
    const args = [path.join(folder, "commands", "run.mjs"), "echo"];
    const { stderr, exitCode } = await execa(process.execPath, args, { reject: false });
    expect(stderr).toMatch(/^Node\.js 99\.0 or newer is needed; this is \d+/);
    expect(exitCode).toBe(1);
  });

  it("runs a command with its arguments", async ({ expect }) => {
    const { stdout, stderr, exitCode } = await run("echo", "--fast", "a b");
    expect(stdout).toBe('[["--fast","a b"],["--fast","a b"]]');
    expect([stderr, exitCode]).toEqual(["", 0]);
  });

  const commands = "  → commands: break, echo, flags, refuse";

  it.each(["nonsense", "../run", "setup"])("names the commands where there is no `%s`", async (name) => {
    const { stderr, exitCode } = await run(name);
    expect(stderr).toBe(`There is no command \`${name}\`\n${commands}`);
    expect(exitCode).toBe(1);
  });

  it("names the commands where none is given", async ({ expect }) => {
    const { stderr, exitCode } = await run();
    expect(stderr).toBe(`No command was given\n${commands}`);
    expect(exitCode).toBe(1);
  });

  it("shows what the user can mend without a stack", async ({ expect }) => {
    const { stderr, exitCode } = await run("refuse");
    expect([stderr, exitCode]).toEqual(["the tank is empty\n  → fill it", 1]);
    const unknownFlag = await run("flags", "--colour");
    expect(unknownFlag.stderr).toMatch(/^Unknown option '--colour'/);
    expect(unknownFlag.stderr).not.toContain("    at ");
  });

  it("shows a bug with its stack", async ({ expect }) => {
    const { stderr, exitCode } = await run("break");
    expect(stderr).toContain("This is a bug");
    expect(stderr).toMatch(/ at .*main .*break\.ts/);
    expect(exitCode).toBe(1);
  });
});
