import { writeLocalTools } from "../../components/local/tools.ts";
import type { LocalTools } from "../../core/local/plan.ts";
import { hashFile } from "../../core/spec/artifacts.ts";
import { projectRoot } from "../setup/places.ts";
import { setUp, type Tools } from "../setup/set-up.ts";

/** What the local target needs of this machine, installed where it is missing and noted for the program. */
export interface Prepared {
  readonly tools: LocalTools;
  readonly engine: Tools["engine"];
}

export async function prepareMachine(options: { readonly yes?: boolean } = {}): Promise<Prepared> {
  const { python, triton, programs, engine } = await setUp(
    ["python", "triton", "programs", "engine"],
    options,
  );
  const tools: LocalTools = {
    python: python.executable,
    triton: triton.directory,
    libraryPath: triton.libraryPath,
    environmentHash: `${python.minor} ${hashFile(projectRoot, "requirements.txt").sha256}`,
    ...programs,
  };
  writeLocalTools(projectRoot, tools);
  return { tools, engine };
}
