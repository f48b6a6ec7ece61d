import { readLocalTools, writeLocalTools } from "../../components/local/tools.ts";
import type { LocalTools } from "../../core/local/plan.ts";
import { hashFile } from "../../core/spec/artifacts.ts";
import type { LocalConfig } from "../../core/spec/platform.ts";
import { findGrafana } from "../setup/grafana.ts";
import { projectRoot } from "../setup/places.ts";
import { setUp, type Tools } from "../setup/set-up.ts";

/** What the local target needs of this machine, installed where it is missing and noted for the program. */
export interface Prepared {
  readonly tools: LocalTools;
  readonly engine: Tools["engine"];
  /** Why no Grafana runs; undefined where one does. */
  readonly noGrafana: string | undefined;
}

export async function prepareMachine(
  { grafana }: Pick<LocalConfig, "grafana">,
  options: { readonly yes?: boolean } = {},
): Promise<Prepared> {
  // Nobody waits for an image but at the first start, which takes minutes anyway.
  const isFirst = readLocalTools(projectRoot) === undefined;
  const { python, triton, programs, engine } = await setUp(
    ["python", "triton", "programs", "engine"],
    options,
  );
  const found = await findGrafana({ ...grafana, pull: isFirst });
  const tools: LocalTools = {
    python: python.executable,
    triton: triton.directory,
    libraryPath: triton.libraryPath,
    environmentHash: `${python.minor} ${hashFile(projectRoot, "requirements.txt").sha256}`,
    ...programs,
    ...("tool" in found ? { grafana: found.tool } : {}),
  };
  writeLocalTools(projectRoot, tools);
  return { tools, engine, noGrafana: "tool" in found ? undefined : found.absent };
}
