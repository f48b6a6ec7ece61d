import { readFileSync, statSync } from "node:fs";
import type { Model } from "../core/spec/load.ts";
import type { Problem } from "../core/spec/problem.ts";

/** What targets that deploy from a checkout ask of its files. */

/** Undefined where there is no such file. */
export function readText(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
    ? readFileSync(file, "utf8")
    : undefined;
}

/** Only what is pinned is deployed: else two machines would deploy different things from the same commit. */
export function unlockedProblems(models: readonly Model[]): Problem[] {
  return models.flatMap(({ file, artifacts: { unlocked, sources } }) =>
    unlocked.map((path) => {
      const source = sources.get(path);
      return {
        file,
        path: "",
        message: `the file ${path} is not what artifacts.lock pins`,
        hint:
          source === undefined
            ? "run `npm run models`, which pins it, and commit artifacts.lock"
            : `remove it, and ${source.uri} is served; or upload it there, and pin that with \`npm run model:reference\``,
      };
    }),
  );
}
