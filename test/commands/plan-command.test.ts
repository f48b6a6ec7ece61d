import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { main as plan } from "../../commands/plan.ts";
import { runCommand, type CommandResult } from "../support/command.ts";

describe("npm run plan", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-plan-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: readonly string[]): Promise<CommandResult> =>
    runCommand(plan, "--stack", "cloud", ...args);

  it("writes files and a report, of which the next one sees no change", async () => {
    const out = path.join(folder, "plan");
    const first = await run("--out", out);
    expect(first.code).toBe(0);
    expect(readdirSync(out)).toEqual(["balancer", "charts", "manifests", "plan.json", "repositories"]);
    const second = await run("--against", out, "--format", "json");
    const { changes, policies } = z
      .object({
        changes: z.record(z.string(), z.array(z.unknown())),
        policies: z.array(z.object({ isNew: z.boolean() })),
      })
      .parse(JSON.parse(second.stdout));
    expect(changes).toEqual({ models: [], objects: [], files: [] });
    expect(policies.filter(({ isNew }) => isNew)).toEqual([]);
  });

  it("shows what is another than in a folder", async () => {
    const out = path.join(folder, "plan");
    await run("--out", out);
    const file = path.join(out, "manifests", "deployment-triton-llm.yaml");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace("progressDeadlineSeconds: 1", "progressDeadlineSeconds: 9"),
    );
    const { stdout } = await run("--against", out);
    expect(stdout).toMatch(
      /Changes: 1 changed\n {2}~ Deployment triton\/triton-llm \(in place\)\n {6}spec\.progressDeadlineSeconds: 9\d+ → 1\d+\n/,
    );
  });

  it("makes the plan of a commit with the commit's own program", async () => {
    const { code, stdout, stderr } = await run("--against", "HEAD", "--format", "markdown");
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("| Compared with | `HEAD` |");
  });

  it("says which words it knows", async () => {
    expect((await run("--format", "pdf")).stderr).toContain("use one of: text, markdown, json, html");
    expect((await run("--against", "no-such-branch")).stderr).toContain("no commit `no-such-branch`");
    expect((await runCommand(plan, "--stack", "clout")).stderr).toContain("cloud");
  });

  it("ends with 2 where a policy refuses, and goes by a policy config", async () => {
    const config = path.join(folder, "policy.json");
    const set = (values: object): void => {
      writeFileSync(config, JSON.stringify(values));
    };
    set({
      "image-registry": { enforcementLevel: "mandatory", allowedRegistries: ["registry.example.com/"] },
    });
    const refused = await run("--policy-config", config);
    expect(refused.code).toBe(2);
    expect(refused.stdout).toMatch(
      /refused: Deployment triton\/triton-gpu: .* is from elsewhere \[image-registry\]/,
    );
    set({ "image-registry": { enforcementLevel: "advisory", allowedRegistries: ["registry.example.com/"] } });
    expect((await run("--policy-config", config)).code).toBe(0);
  });

  it("refuses a policy config that it does not understand, all of it at once", async () => {
    const config = path.join(folder, "policy.json");
    writeFileSync(
      config,
      JSON.stringify({
        "image-digset": "advisory",
        "image-tag": "fatal",
        "cost-ceiling": { maxHourlyCost: "much", minHourlyCost: 1 },
      }),
    );
    const { code, stderr } = await run("--policy-config", config);
    expect(code).toBe(1);
    expect(stderr).toMatch(/image-digset: there is no such rule\s+→ did you mean `image-digest`/);
    expect(stderr).toMatch(
      /image-tag: "fatal" is no level\s+→ use one of: disabled, advisory, mandatory, remediate/,
    );
    expect(stderr).toMatch(/cost-ceiling\.maxHourlyCost: "much" is not of its kind\s+→ write a number/);
    expect(stderr).toMatch(
      /cost-ceiling\.minHourlyCost: the rule has no such limit\s+→ did you mean `maxHourlyCost`/,
    );
    writeFileSync(config, "[]");
    expect((await run("--policy-config", config)).stderr).toContain("this is no policy config");
    writeFileSync(config, "{");
    expect((await run("--policy-config", config)).stderr).toContain("cannot be read");
  });
});
