import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { renderKubernetesPlan } from "../core/kubernetes/render.ts";
import { formatAdvice } from "../core/spec/problem.ts";
import { replaceFolder } from "./files/replace.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { UserError } from "./setup/user-error.ts";
import { readStack } from "./stack/config.ts";
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
  const { target } = stack.config;
  if (target !== "kubernetes") {
    throw new UserError(
      `The stack \`${values.stack}\` runs on the target ${target}, of which there is no plan`,
      "npm run validate checks it, npm run preview shows what would change",
    );
  }
  const { plan, notes, picture, advice } = planStack(stack);
  if (plan.holysheepSecret !== undefined && !stack.hasApiKey)
    console.log("holysheep:apiKey is not set yet: `pulumi up` wants it");
  for (const note of notes) console.log(note);
  if (picture.length > 0) console.log(`${picture.join("\n")}\n`);
  if (advice.length > 0) console.log(`${formatAdvice(advice)}\n`);

  const files = renderKubernetesPlan(plan);
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

function writeText(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
