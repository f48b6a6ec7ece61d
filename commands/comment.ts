import { readFileSync, statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { commentMarker, markdownProblems, markdownReport } from "../core/plan/markdown.ts";
import { problemsSchema, reportSchema } from "../core/plan/schema.ts";
import { userPath } from "./files/user-path.ts";
import type { GitHub } from "./github/api.ts";
import { pullOf, writeComment } from "./github/comment.ts";
import { UserError } from "./setup/user-error.ts";

/** More than any plan has. */
const mostBytes = 20 * 1024 ** 2;

/**
 * `npm run comment -- --pull <number> | --head <owner>:<branch> --sha <commit>, then plan.json files`: writes the plans of a
 * pull request as one comment each, in the words of this checkout. The files are data from anywhere: what is no report is
 * refused, and nothing in one is taken for markup. Reads GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL, as GitHub's
 * jobs have them.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      pull: { type: "string" },
      head: { type: "string" },
      sha: { type: "string" },
      author: { type: "string", default: "github-actions[bot]" },
    },
  });
  const comments = positionals.map((file) => commentOf(userPath(file)));
  const github: GitHub = {
    api: (process.env.GITHUB_API_URL ?? "https://api.github.com").replace(/\/$/, ""),
    repository: environment("GITHUB_REPOSITORY"),
    token: environment("GITHUB_TOKEN"),
    wait,
  };
  const pull = await pullNumber(github, values);
  for (const { marker, body } of comments)
    console.log(
      `${marker}: ${await writeComment(github, pull, marker, body, values.author)} on #${String(pull)}`,
    );
}

function commentOf(file: string): { readonly marker: string; readonly body: string } {
  const refuse = (why: string): UserError =>
    new UserError(`${file} is no report of npm run plan: ${why}`, "write it with --format json");
  const { size } = statSync(file);
  if (size > mostBytes) throw refuse(`it has ${String(size)} bytes`);
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw refuse("it is no JSON");
  }
  const report = reportSchema.safeParse(document);
  if (report.success) return { marker: commentMarker(report.data.stack), body: markdownReport(report.data) };
  const problems = problemsSchema.safeParse(document);
  if (problems.success) {
    const { stack } = problems.data;
    return { marker: commentMarker(stack), body: markdownProblems(stack, problems.data.problems) };
  }
  const [issue] = report.error.issues;
  throw refuse(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "it has another form"}`);
}

async function pullNumber(
  github: GitHub,
  { pull, head, sha }: { readonly pull?: string; readonly head?: string; readonly sha?: string },
): Promise<number> {
  if (pull !== undefined && /^\d+$/.test(pull)) return Number(pull);
  if (head !== undefined && sha !== undefined) return pullOf(github, head, sha);
  throw new UserError(
    "No pull request is named",
    "write --pull <number>, or --head <owner>:<branch> --sha <commit>",
  );
}

function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new UserError(`${name} is not set`, "run this in a job of GitHub Actions, or set it");
  return value;
}
