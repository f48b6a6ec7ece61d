import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import yaml from "js-yaml";
import { loadModels, specFilename, type Model } from "../../core/spec/load.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { importConfigPbtxt } from "../../core/triton/config-to-spec.ts";
import { printConfigPbtxt } from "../../core/triton/config-text.ts";
import type { Release } from "../../core/triton/releases.ts";
import { checkModel } from "../../core/triton/rules/index.ts";
import { candidateName, type Candidate } from "./candidate.ts";
import type { Judge } from "./compare.ts";
import { steps } from "./ensembles.ts";

/** The release of the server that the candidates are loaded into: 2.51. */
const release: Release = "24.10";

/**
 * This project's checker, asked as an import asks it: config.pbtxt → model.yaml → the models folder → the rules of the
 * server's release. `folder` takes the models; it is the caller's to remove.
 */
export function projectJudge(folder: string): Judge {
  const stepModels = steps.flatMap((step) => {
    const text = printConfigPbtxt(step);
    const { models } = loadOne(folder, step.name, text, { "1/model.py": "" });
    return models;
  });
  return ({ config, files }: Candidate) => {
    const { models, problems } = loadOne(folder, candidateName, printConfigPbtxt(config), files);
    const byName = new Map([...stepModels, ...models].map((model) => [model.spec.name, model]));
    const found = models.flatMap(
      (model) =>
        checkModel({ model, models: byName, server: { release, customBackends: [], customAgents: [] } })
          .problems,
    );
    const rules = [...new Set([...problems, ...found].map(ruleOf))];
    return { accepted: rules.length === 0, rules };
  };
}

/** A folder that `projectJudge` may write into, removed when `use` is done. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "triton-judge-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Loaded {
  readonly models: readonly Model[];
  readonly problems: readonly Problem[];
}

/** One model as the project reads it from a models folder, or what is wrong with its shape. */
function loadOne(
  folder: string,
  name: string,
  text: string,
  files: Readonly<Record<string, string>>,
): Loaded {
  const imported = importConfigPbtxt(text, name, "config.pbtxt");
  if ("problems" in imported) return { models: [], problems: imported.problems };
  if (imported.spec.name !== name) return { models: [], problems: [otherName(imported.spec.name)] };
  const parent = path.join(folder, name);
  rmSync(parent, { recursive: true, force: true });
  const all = { ...files, [specFilename]: yaml.dump(imported.document) };
  for (const [file, content] of Object.entries(all)) {
    const full = path.join(parent, name, file);
    mkdirSync(path.dirname(full), { recursive: true });
    writeFileSync(full, content);
  }
  const { value, problems } = loadModels(parent);
  return { models: value, problems };
}

function otherName(name: string): Problem {
  return {
    file: "config.pbtxt",
    path: "name",
    message: `\`${name}\` is not the folder's name`,
    hint: "leave it out",
    code: "name-of-another-folder",
  };
}

/** The code; for what the spec's schema refuses, the place. */
function ruleOf({ code, path: place }: Problem): string {
  return code ?? `spec: ${place.replaceAll(/\[\d+\]/g, "[]")}`;
}
