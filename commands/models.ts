import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { suggest } from "../core/spec/problem.ts";
import { buildModel, buildScript, modelFolders, relock } from "./local/build.ts";
import { projectRoot } from "./setup/places.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm run models [-- model …]`: builds the artifacts of all models, or of those named, and pins them in artifacts.lock. */
export async function main(args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true });
  const { python } = await setUp(["python", "triton"]);
  const folders = modelFolders(path.join(projectRoot, "models"));
  const known = folders.map((folder) => path.basename(folder));
  for (const name of positionals) {
    if (!known.includes(name)) throw new UserError(`There is no model \`${name}\``, suggest(name, known));
  }
  for (const folder of folders) {
    const name = path.basename(folder);
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const hasScript = existsSync(path.join(folder, buildScript));
    if (hasScript) {
      console.log(`${name}: building`);
      await buildModel(folder, python.executable);
    }
    const { isNew, differing } = relock(folder);
    console.log(`${name}: ${isNew ? "artifacts.lock written" : "as pinned"}`);
    for (const { path: file, source } of differing)
      console.log(
        `${name}: ${file} is another one here than in ${source?.uri ?? ""}, which stays pinned: remove it here, or upload it and run npm run model:reference; to pin the one here, take the entry out of artifacts.lock first`,
      );
  }
}
