import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { renderEksPlan } from "../core/aws/render.ts";
import { renderKubernetesPlan } from "../core/kubernetes/render.ts";
import { formatAdvice } from "../core/spec/problem.ts";
import { replaceFolder } from "./files/replace.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { UserError } from "./setup/user-error.ts";
import type { PreparedKubernetes } from "../components/kubernetes/prepare.ts";
import { readStack, type NamedStack } from "./stack/config.ts";
import { planEksStack } from "./stack/eks.ts";
import { planStack } from "./stack/kubernetes.ts";

/**
 * `npm run plan -- --stack <name> [--out <folder>]`: checks a stack and shows what it would create, without credentials
 * or a cluster. With --out every manifest, chart, config and model manifest is written there as a file; values of
 * secrets are in none. The folder is replaced as a whole; the same stack gives the same bytes.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { stack: { type: "string", short: "s" }, out: { type: "string", short: "o" } },
  });
  if (values.stack === undefined)
    throw new UserError("No stack is named", "write it like npm run plan -- --stack dev");
  const stack = readStack(values.stack);
  const { files, notes, picture, advice, wantsApiKey } = planOf(stack);
  if (wantsApiKey && !stack.hasApiKey) console.log("holysheep:apiKey is not set yet: `pulumi up` wants it");
  for (const note of notes) console.log(note);
  if (picture.length > 0) console.log(`${picture.join("\n")}\n`);
  if (advice.length > 0) console.log(`${formatAdvice(advice)}\n`);

  for (const name of files.keys()) console.log(name);
  if (values.out === undefined) return;
  const out = userPath(values.out);
  await writingTo(out, () =>
    replaceFolder(out, (unfinished) => {
      for (const [name, text] of files) writeText(path.join(unfinished, name), text);
    }),
  );
  console.log(`\n${String(files.size)} files are in ${out}.`);
}

interface StackPlan extends Pick<PreparedKubernetes, "notes" | "picture" | "advice"> {
  /** Text by path. */
  readonly files: ReadonlyMap<string, string>;
  readonly wantsApiKey: boolean;
}

function planOf(stack: NamedStack): StackPlan {
  const { target } = stack.config;
  if (target === "kubernetes") {
    const { plan, ...shown } = planStack(stack);
    const wantsApiKey = plan.holysheepSecret !== undefined;
    return { ...shown, files: renderKubernetesPlan(plan), wantsApiKey };
  }
  if (target === "eks") {
    const { plan, ...shown } = planEksStack(stack);
    const wantsApiKey = plan.workload?.secrets?.holysheepApiKey !== undefined;
    return { ...shown, files: renderEksPlan(plan), wantsApiKey };
  }
  throw new UserError(
    `The stack \`${stack.stack}\` runs on the target ${target}, of which there is no plan`,
    "npm run validate checks it, npm run preview shows what would change",
  );
}

function writeText(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
