import { openHome } from "./local/home.ts";
import { openStack, Progress } from "./local/stack.ts";
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
    await stack.destroy({
      refresh: true,
      onEvent: progress.onEvent,
      onOutput: () => undefined,
      suppressProgress: true,
    });
  } catch (error) {
    throw progress.explain("Not everything could be stopped", error);
  }
  console.log(progress.changes === 0 ? "Nothing was running." : "Stopped.");
}
