import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import type { PreparedKubernetes } from "../components/kubernetes/prepare.ts";
import { renderDockerPlan } from "../core/docker/render.ts";
import { renderKubernetesPlan } from "../core/kubernetes/render.ts";
import { formatAdvice } from "../core/spec/problem.ts";
import { replaceFolder } from "./files/replace.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { UserError } from "./setup/user-error.ts";
import { readStack, type StackConfig } from "./stack/config.ts";
import { planDockerStack } from "./stack/docker.ts";
import { planStack } from "./stack/kubernetes.ts";

/**
 * `npm run plan -- --stack <name> [--out <folder>]`: checks a stack and shows what it would create, without credentials,
 * a cluster or a Docker. With --out every manifest, container, chart, config and model manifest is written there as a file; values of
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
  const { files, needsApiKey, notes, picture, advice } = rendered(values.stack, stack);
  if (needsApiKey && !stack.hasApiKey) console.log("holysheep:apiKey is not set yet: `pulumi up` wants it");
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

interface Rendered extends Pick<PreparedKubernetes, "notes" | "picture" | "advice"> {
  readonly files: ReadonlyMap<string, string>;
  readonly needsApiKey: boolean;
}

function rendered(name: string, stack: StackConfig): Rendered {
  const { target } = stack.config;
  switch (target) {
    case "kubernetes": {
      const prepared = planStack(stack);
      const { plan } = prepared;
      return {
        ...prepared,
        files: renderKubernetesPlan(plan),
        needsApiKey: plan.holysheepSecret !== undefined,
      };
    }
    case "docker": {
      const prepared = planDockerStack(stack);
      const { plan } = prepared;
      return { ...prepared, files: renderDockerPlan(plan), needsApiKey: plan.needsApiKey };
    }
    default:
      throw new UserError(
        `The stack \`${name}\` runs on the target ${target}, of which there is no plan`,
        "npm run validate checks it, npm run preview shows what would change",
      );
  }
}

function writeText(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}
