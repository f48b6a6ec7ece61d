import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadModels, locate } from "../core/spec/load.ts";
import { formatAdvice, formatProblems, refuse } from "../core/spec/problem.ts";
import { newestRelease } from "../core/triton/releases.ts";
import { buildRepository } from "../core/triton/repository.ts";
import { checkModel } from "../core/triton/rules/index.ts";
import { UserError } from "./setup/user-error.ts";

/**
 * `npm run model:build -- <models folder> --out <repository folder>`: writes a Triton model repository, config.pbtxt
 * and version folders, for any set of specs. `--no-check` writes what is well-formed and only reports problems of meaning.
 */
export function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { out: { type: "string" }, "no-check": { type: "boolean", default: false } },
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1 || values.out === undefined) {
    throw new UserError(
      "One models folder and --out are needed",
      "npm run model:build -- <models folder> --out <repository folder> [--no-check]",
    );
  }
  const out = path.resolve(values.out);
  if (existsSync(out) && readdirSync(out).length > 0) {
    throw new UserError(`${values.out} is there and not empty`, "name a new folder: nothing is overwritten");
  }

  const { value: models, problems: shape } = loadModels(folder);
  const byName = new Map(models.map((model) => [model.spec.name, model]));
  const server = { release: newestRelease, customBackends: [] } as const;
  const checked = models.map((model) => checkModel({ model, models: byName, server }));
  const meaning = locate(
    checked.flatMap(({ problems }) => problems),
    models,
  );
  const advice = locate(
    checked.flatMap((result) => result.advice),
    models,
  );
  if (!values["no-check"]) refuse([...shape, ...meaning]);

  const { files, hash } = buildRepository(models);
  for (const file of files) {
    const target = path.join(out, file.path);
    // A pinned artifact may be missing; --no-check writes the rest.
    if ("file" in file.from && !existsSync(file.from.file)) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    if ("content" in file.from) writeFileSync(target, file.from.content);
    else cpSync(file.from.file, target);
  }
  console.log(`${String(models.length)} models, ${String(files.length)} files, content hash ${hash}\n${out}`);
  if (advice.length > 0) console.error(formatAdvice(advice));
  if (shape.length + meaning.length > 0) console.error(formatProblems([...shape, ...meaning]));
  // What is not well-formed could not be written: that is a failure even here.
  if (shape.length > 0) process.exitCode = 1;
  return Promise.resolve();
}
