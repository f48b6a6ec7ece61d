import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import type { PlanBase, PlanReport } from "../../core/plan/report.ts";
import { userPath } from "../files/user-path.ts";
import { reportSchema } from "../../core/plan/schema.ts";
import { projectRoot } from "../setup/places.ts";
import { UserError } from "../setup/user-error.ts";
import { fileOf } from "../stack/config.ts";

/** Name of the report among the files that `--out` writes. */
export const reportFile = "plan.json";

/**
 * What a plan is compared with: a folder that `npm run plan -- --out` wrote, or a commit, whose own program makes its plan
 * in a folder of its own. A stack that the commit has not is a new one: everything is created.
 */
export async function planBase(against: string, stack: string): Promise<PlanBase> {
  const folder = userPath(against);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return readBase(folder, against);
  const commit = await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${against}^{commit}`);
  if (commit === undefined)
    throw new UserError(
      `There is no folder and no commit \`${against}\` to compare with`,
      "name a branch, a tag or a commit that is here (git fetch), or a folder that npm run plan -- --out wrote",
    );
  const scratch = mkdtempSync(path.join(tmpdir(), "triton-platform-plan-"));
  try {
    return await planCommit(commit, against, stack, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function planCommit(commit: string, label: string, stack: string, scratch: string): Promise<PlanBase> {
  const [checkout, out] = [path.join(scratch, "checkout"), path.join(scratch, "out")];
  await execa("git", ["clone", "--quiet", "--shared", "--no-checkout", projectRoot, checkout]);
  await execa("git", ["checkout", "--quiet", "--detach", commit], { cwd: checkout });
  if (!existsSync(path.join(checkout, fileOf(stack)))) return { label, files: new Map(), report: nothing };
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(checkout, "node_modules"));
  // Not by run.mjs, which installs packages where others are wanted, and those here are not its own.
  const command = pathToFileURL(path.join(checkout, "commands", "plan.ts")).href;
  const args = ["--stack", stack, "--out", out];
  const script = `const { main } = await import(${JSON.stringify(command)}); await main(${JSON.stringify(args)});`;
  const result = await execa(
    process.execPath,
    ["--import", "tsx/esm", "--input-type=module", "--eval", script],
    {
      cwd: checkout,
      all: true,
      reject: false,
    },
  );
  // A plan that policies refuse is written too.
  if (!existsSync(out))
    throw new UserError(
      `The plan of \`${label}\` cannot be made: ${lastLines(result.all)}`,
      "mend it there, compare with another commit, or leave --against out",
    );
  return readBase(out, label);
}

const nothing: NonNullable<PlanBase["report"]> = {
  cost: { items: [], perHour: 0, perMonth: 0, mostPerHour: 0, mostPerMonth: 0, unpriced: [] },
  policies: [],
};

function lastLines(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-6).join("\n");
}

function readBase(folder: string, label: string): PlanBase {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(path.join(folder, name)).isFile(),
  );
  const files = new Map(
    names
      .filter((name) => name !== reportFile)
      .sort()
      .map((name) => [name.split(path.sep).join("/"), readFileSync(path.join(folder, name), "utf8")]),
  );
  const report = names.includes(reportFile) ? parseReport(path.join(folder, reportFile)) : undefined;
  return { label, files, ...(report === undefined ? {} : { report }) };
}

/** Undefined for a report of another form: then only files are compared. */
function parseReport(file: string): Pick<PlanReport, "cost" | "policies"> | undefined {
  try {
    return reportSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

async function git(...args: readonly string[]): Promise<string | undefined> {
  const { exitCode, stdout } = await execa("git", args, { cwd: projectRoot, reject: false });
  return exitCode === 0 ? stdout.trim() : undefined;
}
