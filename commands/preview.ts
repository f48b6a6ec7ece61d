import { openHome, readLocalConfig } from "./local/home.ts";
import { prepareMachine } from "./local/tools.ts";
import { openStack, Progress } from "./local/stack.ts";

/** `npm run preview`: what `npm start` would change on this machine. Nothing is changed. */
export async function main(): Promise<void> {
  const home = openHome();
  const { engine } = await prepareMachine(readLocalConfig(home).config.local);
  const stack = await openStack(home, engine);
  const progress = new Progress(() => undefined);
  try {
    await stack.preview({
      refresh: true,
      diff: true,
      color: process.stdout.isTTY ? "always" : "never",
      onEvent: progress.onEvent,
      onOutput: (text) => {
        process.stdout.write(text);
      },
    });
  } catch (error) {
    throw progress.explain("The platform cannot be planned", error);
  }
}
