import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { projectRoot } from "../support/tools.ts";

const folder = path.join(projectRoot, ".github", "workflows");

const permissions = z.record(z.string(), z.string());
const workflowSchema = z.looseObject({
  on: z.record(z.string(), z.unknown()),
  permissions,
  jobs: z.record(
    z.string(),
    z.looseObject({
      permissions: permissions.optional(),
      environment: z.string().optional(),
      "timeout-minutes": z.number(),
      steps: z.array(
        z.looseObject({
          uses: z.string().optional(),
          run: z.string().optional(),
          with: z.record(z.string(), z.unknown()).optional(),
        }),
      ),
    }),
  ),
});

const workflows = readdirSync(folder).map((name) => {
  const text = readFileSync(path.join(folder, name), "utf8");
  return { name, text, ...workflowSchema.parse(yaml.load(text)) };
});

describe.each(workflows)("the workflow $name", ({ text, on, permissions: general, jobs }) => {
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  it("pins every action by commit, with its version beside it", () => {
    const used = text.split("\n").filter((line) => /^\s*(- )?uses:/.test(line));
    expect(used.length).toBeGreaterThan(0);
    for (const line of used) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it("may read and no more, unless a job says what it needs", () => {
    expect(general).toEqual({ contents: "read" });
    for (const job of Object.values(jobs)) {
      const more = Object.entries(job.permissions ?? {}).filter(([, level]) => level === "write");
      expect(
        more.map(([name]) => name).filter((name) => !["id-token", "pull-requests"].includes(name)),
      ).toEqual([]);
    }
  });

  it("puts nothing that a pull request says into a script", () => {
    for (const { run } of steps) expect(run ?? "").not.toContain("${{");
  });

  it("leaves no token in the checkout", () => {
    for (const step of steps) {
      if (step.uses?.startsWith("actions/checkout@") === true)
        expect(step.with).toMatchObject({ "persist-credentials": false });
    }
  });

  it("gives a pull request no secret, but where an environment guards it", () => {
    expect(on).not.toHaveProperty("pull_request_target");
    if ("pull_request" in on && text.includes("secrets."))
      for (const job of Object.values(jobs)) expect(job.environment).toBeDefined();
  });

  it("runs no code of a pull request with a token that writes", () => {
    if (!("workflow_run" in on)) return;
    for (const step of steps) expect(step.with ?? {}).not.toHaveProperty("ref");
  });

  it("calls commands that there are", () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(path.join(projectRoot, "package.json"), "utf8")));
    for (const [, name = ""] of text.matchAll(/npm run (?:--silent )?([\w:-]+)/g))
      expect(scripts).toHaveProperty([name]);
  });
});
