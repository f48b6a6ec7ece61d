import { buildGoProgram, findGoProgram, goProgramPlace, type GoProgram } from "./go-program.ts";
import { withLock } from "./lock.mjs";
import { placesIn, projectRoot } from "./places.ts";
import { runSteps } from "./steps.ts";

/** The load generator for gRPC. */
export const ghzVersion = "0.121.0";

export const ghzProgram: GoProgram = {
  name: "ghz",
  version: ghzVersion,
  oldestGo: "1.25.11",
  package: "github.com/bojand/ghz/cmd/ghz",
  flags: `-s -w -X main.version=v${ghzVersion}`,
  hint: "mend what Go reports (module proxy, network, disk space), or measure HTTP alone: --protocol http",
};

/** Its program, built where that has not been done: a minute, once. */
export async function setUpGhz(root = projectRoot): Promise<string> {
  const places = placesIn(root);
  const isReady = (): boolean => findGoProgram(ghzProgram, places) !== undefined;
  if (!isReady())
    await withLock("ghz", root, async () => {
      if (isReady()) return;
      const title = `ghz ${ghzVersion}, which makes the load over gRPC`;
      await runSteps([{ title, run: (report) => buildGoProgram(ghzProgram, places, report) }]);
    });
  return goProgramPlace(ghzProgram, places);
}
