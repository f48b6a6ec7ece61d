import { buildGoProgram, findGoProgram, goProgramPlace, type GoProgram } from "./go-program.ts";
import { withLock } from "./lock.mjs";
import { placesIn, projectRoot } from "./places.ts";
import { runSteps } from "./steps.ts";

/** A program that makes load, built at its first use. */
export interface LoadProgram extends GoProgram {
  /** Over what, as a step names it. */
  readonly over: string;
}

export const ghzProgram: LoadProgram = {
  name: "ghz",
  version: "0.121.0",
  oldestGo: "1.25.11",
  package: "github.com/bojand/ghz/cmd/ghz",
  flags: "-s -w -X main.version=v0.121.0",
  hint: "mend what Go reports (module proxy, network, disk space), or measure HTTP alone: --protocol http",
  over: "gRPC",
};

export const vegetaProgram: LoadProgram = {
  name: "vegeta",
  version: "12.13.0",
  oldestGo: "1.24.0",
  package: "github.com/tsenart/vegeta/v12",
  flags: "-s -w",
  hint: "mend what Go reports (module proxy, network, disk space), then run the same command again",
  over: "HTTP",
};

/** The program's path; it is built where that has not been done. */
export async function setUpLoadProgram(program: LoadProgram, root = projectRoot): Promise<string> {
  const places = placesIn(root);
  const isReady = (): boolean => findGoProgram(program, places) !== undefined;
  if (!isReady())
    await withLock(program.name, root, async () => {
      if (isReady()) return;
      const title = `${program.name} ${program.version}, which makes the load over ${program.over}`;
      await runSteps([{ title, run: (report) => buildGoProgram(program, places, report) }]);
    });
  return goProgramPlace(program, places);
}
