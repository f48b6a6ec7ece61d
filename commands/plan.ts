import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { prices } from "../core/cost/prices.ts";
import { staleness } from "../core/cost/snapshot.ts";
import { messageOf } from "../core/errors.ts";
import { htmlProblems, htmlReport } from "../core/plan/html.ts";
import { markdownProblems, markdownReport } from "../core/plan/markdown.ts";
import type { PlannedStack } from "../core/plan/planned.ts";
import { redact } from "../core/plan/redact.ts";
import { isRefused, planReport, type PlanReport } from "../core/plan/report.ts";
import { textReport } from "../core/plan/text.ts";
import { noConfig, readPolicyConfig, type PolicyConfig } from "../core/policy/config.ts";
import { policyRules } from "../core/policy/rules/index.ts";
import { formatProblems, ProblemsError, refuse, type Problem } from "../core/spec/problem.ts";
import { replaceFolder } from "./files/replace.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { planBase, reportFile } from "./plan/base.ts";
import { plannedDocker } from "./plan/docker.ts";
import { plannedKubernetes } from "./plan/kubernetes.ts";
import { UserError } from "./setup/user-error.ts";
import { readStack } from "./stack/config.ts";

/** A form of what is said: of a plan, or of the problems that keep it from being made. */
interface Format {
  readonly report: (report: PlanReport) => string;
  readonly problems: (stack: string, problems: readonly Problem[]) => string;
}

const json: Format = {
  report: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
  problems: (stack, problems) => {
    const clean = problems.map((problem) => ({ ...problem, message: redact(problem.message) }));
    return `${JSON.stringify({ format: 1, stack, problems: clean }, undefined, 2)}\n`;
  },
};

const formats: Readonly<Record<string, Format>> = {
  text: { report: textReport, problems: (_, problems) => `${formatProblems(problems)}\n` },
  markdown: { report: markdownReport, problems: markdownProblems },
  json,
  html: { report: htmlReport, problems: htmlProblems },
};

/**
 * `npm run plan -- --stack <name> [--against <commit or folder>] [--format text|markdown|json|html] [--out <folder>]
 * [--policy-config <file>]`: checks a stack and shows what it would create, without credentials or a cluster: changes,
 * policies, cost, how full GPUs and nodes are. With --out every manifest, chart, config and model manifest is written
 * there as a file, and the report as plan.json; values of secrets are in none. The folder is replaced as a whole; the same
 * stack gives the same bytes. Exit code 1: there is no plan; 2: a policy refuses it.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      stack: { type: "string", short: "s" },
      against: { type: "string" },
      format: { type: "string", default: "text" },
      out: { type: "string", short: "o" },
      "policy-config": { type: "string" },
    },
  });
  if (values.stack === undefined)
    throw new UserError("No stack is named", "write it like npm run plan -- --stack dev");
  const format = Object.hasOwn(formats, values.format) ? formats[values.format] : undefined;
  if (format === undefined)
    throw new UserError(
      `There is no form \`${values.format}\``,
      `use one of: ${Object.keys(formats).join(", ")}`,
    );
  const planned = await planOrProblems(values.stack);
  if ("problems" in planned) {
    console.log(format.problems(values.stack, planned.problems).trimEnd());
    process.exitCode = 1;
    return;
  }
  const stale = staleness(prices, new Date().toISOString().slice(0, 10));
  const report = planReport(planned, {
    rules: policyRules,
    environment: planned.environment,
    config: policyConfig(values["policy-config"]),
    priceNotes: stale === undefined || planned.costItems.length === 0 ? [] : [stale],
    ...(values.against === undefined ? {} : { base: await planBase(values.against, values.stack) }),
  });
  console.log(format.report(report).trimEnd());
  if (isRefused(report)) process.exitCode = 2;
  if (values.out === undefined) return;
  const out = userPath(values.out);
  await writingTo(out, () =>
    replaceFolder(out, (unfinished) => {
      for (const [name, text] of planned.files) writeText(path.join(unfinished, name), text);
      writeText(path.join(unfinished, reportFile), json.report(report));
    }),
  );
  // Standard output may be read by a program.
  console.error(`${String(planned.files.size + 1)} files are in ${out}.`);
}

async function planOrProblems(name: string): Promise<PlannedStack | Pick<ProblemsError, "problems">> {
  try {
    return await plan(name);
  } catch (error) {
    if (error instanceof ProblemsError) return error;
    throw error;
  }
}

async function plan(name: string): Promise<PlannedStack> {
  const stack = readStack(name);
  const { target } = stack.config;
  if (target === "kubernetes") return plannedKubernetes(name, stack);
  // AWS' SDK takes a second to load.
  if (target === "eks") return (await import("./plan/eks.ts")).plannedEks(stack);
  if (target === "docker") return plannedDocker(stack);
  throw new UserError(
    `The stack \`${name}\` runs on the target ${target}, of which there is no plan`,
    "npm run validate checks it, npm run preview shows what would change",
  );
}

function policyConfig(name: string | undefined): PolicyConfig {
  if (name === undefined) return noConfig;
  const { config, problems } = readPolicyConfig(readJson(userPath(name)), policyRules, name);
  refuse(problems);
  return config;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = messageOf(error);
    throw new UserError(`The policy config ${file} cannot be read: ${reason}`, "name a file of JSON", {
      cause: error,
    });
  }
}

function writeText(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
