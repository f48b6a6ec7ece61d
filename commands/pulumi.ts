import { execa } from "execa";
import { openHome } from "./local/home.ts";
import { setUp } from "./setup/set-up.ts";

/** `npm run pulumi -- <arguments>`: the Pulumi CLI on this machine's stack, as in `config set --secret holysheep:apiKey`. */
export async function main(args: string[]): Promise<void> {
  const { engine } = await setUp(["engine"]);
  const home = openHome();
  const { exitCode } = await execa(engine.executable, args, {
    cwd: home.workDir,
    env: { ...home.env, ...engine.env, PULUMI_STACK: "local" },
    stdio: "inherit",
    reject: false,
  });
  process.exitCode = exitCode ?? 1;
}
