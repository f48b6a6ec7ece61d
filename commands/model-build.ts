import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { withKnownHashes } from "../components/hash-cache.ts";
import { loadModels, locate } from "../core/spec/load.ts";
import { parseValue } from "../core/spec/parse.ts";
import { platformSchema } from "../core/spec/platform.ts";
import { formatAdvice, formatProblems, ProblemsError, refuse } from "../core/spec/problem.ts";
import { newestRelease, oldestRelease, type Release } from "../core/triton/releases.ts";
import {
  absentProblems,
  buildRepository,
  withoutSources,
  type RepositoryFile,
} from "../core/triton/repository.ts";
import { checkModels } from "../core/triton/rules/index.ts";
import { copyFile } from "./files/copy.ts";
import { replaceFolder } from "./files/replace.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { projectRoot } from "./setup/places.ts";
import { UserError } from "./setup/user-error.ts";

const usage = `npm run model:build -- <models folder> --out <repository folder> [options]
  --release <YY.MM>         the Triton that is to load it, ${oldestRelease} or later (default: ${newestRelease})
  --custom-backend <name>   a backend that its image has besides NVIDIA's; may be given several times
  --no-check                write what is well-formed, and only report what the rules refuse`;

/**
 * `npm run model:build -- <models folder> --out <repository folder>`: writes a Triton model repository, config.pbtxt
 * and version folders, for any set of specs, as a whole or not at all. `--release` and `--custom-backend` say which Triton
 * it is judged for. `--no-check` writes what is well-formed and only reports problems of meaning.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: "string" },
      release: { type: "string", default: newestRelease },
      "custom-backend": { type: "string", multiple: true, default: [] },
      "no-check": { type: "boolean", default: false },
    },
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1 || values.out === undefined) {
    throw new UserError("One models folder and --out are needed", usage);
  }
  const out = userPath(values.out);
  await writingTo(out, () => {
    refuseFilled(out);
  });

  const { value: models, problems: shape } = withKnownHashes(projectRoot, (known) =>
    loadModels(userPath(folder), known),
  );
  const byName = new Map(models.map((model) => [model.spec.name, model]));
  const server = {
    release: releaseOf(values.release),
    customBackends: values["custom-backend"],
    customAgents: [],
  };
  const { problems: meaning, advice } = checkModels(models, byName, () => server);
  const problems = locate([...shape, ...meaning, ...models.flatMap(absentProblems)], models);
  if (!values["no-check"]) refuse(problems);

  const { files, hash } = buildRepository(models.map(withoutSources));
  await writingTo(out, () => writeRepository(out, files));
  console.log(
    `${String(models.length)} models for Triton ${server.release}, ${String(files.length)} files, content hash ${hash}\n${path.resolve(out)}`,
  );
  if (advice.length > 0) console.error(formatAdvice(locate(advice, models)));
  if (problems.length > 0) console.error(formatProblems(problems));
  // What is not well-formed could not be written: that is a failure even here.
  if (shape.length > 0) process.exitCode = 1;
}

function refuseFilled(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new UserError(`${folder} is there and not empty`, "name a new folder: nothing is overwritten");
  }
}

function releaseOf(text: string): Release {
  const parsed = parseValue(platformSchema.shape.tritonRelease, text, "--release");
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  return parsed.value;
}

async function writeRepository(folder: string, files: readonly RepositoryFile[]): Promise<void> {
  mkdirSync(path.dirname(path.resolve(folder)), { recursive: true });
  await replaceFolder(folder, async (unfinished) => {
    for (const { path: place, from } of files) {
      const target = path.join(unfinished, place);
      // A pinned artifact may be missing; --no-check writes the rest.
      if ("file" in from && !existsSync(from.file)) continue;
      mkdirSync(path.dirname(target), { recursive: true });
      if ("content" in from) writeFileSync(target, from.content);
      else if ("file" in from) await copyFile(from.file, target);
    }
  });
}
