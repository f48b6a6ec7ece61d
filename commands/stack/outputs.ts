import * as z from "zod";
import { projectRoot } from "../setup/places.ts";
import { runProgram } from "../setup/run-program.ts";
import { setUp } from "../setup/set-up.ts";

/** Outputs of a stack that is deployed, from the backend its user is logged in to; secrets are not among them. */
export async function stackOutputs(stack: string): Promise<Readonly<Record<string, unknown>>> {
  const { engine } = await setUp(["engine"]);
  const text = await runProgram({
    command: engine.executable,
    args: ["stack", "output", "--json", "--stack", stack],
    failure: `The outputs of the stack \`${stack}\` could not be read`,
    hint: "log in to its backend (pulumi login), and deploy it (pulumi up)",
    cwd: projectRoot,
    env: engine.env,
  });
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
}
