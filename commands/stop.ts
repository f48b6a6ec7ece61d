import { existsSync, readFileSync, rmSync } from "node:fs";
import { removeRemains } from "../components/local/remains.ts";
import { openHome } from "./local/home.ts";
import { openStack, Progress, uninterrupted } from "./local/stack.ts";
import { setUp } from "./setup/set-up.ts";

/** `npm stop`: removes everything the local stack runs. State and config stay. */
export async function main(): Promise<void> {
  const home = openHome();
  const { engine } = await setUp(["engine"]);
  const stack = await openStack(home, engine);
  const progress = new Progress((line) => {
    console.log(line);
  });
  try {
    // Refreshed, so that what is gone already is no obstacle.
    await uninterrupted(() =>
      stack.destroy({
        refresh: true,
        onEvent: progress.onEvent,
        onOutput: () => undefined,
        suppressProgress: true,
      }),
    );
  } catch (error) {
    throw progress.explain("Not everything could be stopped", error);
  }
  // What the engine's state has lost, as after a killed supervisor.
  const directory = existsSync(home.runningFile) ? readFileSync(home.runningFile, "utf8") : undefined;
  if (directory !== undefined) await removeRemains(directory);
  rmSync(home.runningFile, { force: true });
  const nothing = directory === undefined && progress.changes === 0;
  console.log(nothing ? "Nothing was running." : "Stopped.");
}
