import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { layout } from "../components/local/supervised.ts";
import { suggest } from "../core/spec/problem.ts";
import { findRunning } from "./local/running.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm run logs [-- process …] [-f]`: the last lines of every process's log, or of those named. */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      follow: { type: "boolean", short: "f", default: false },
      lines: { type: "string", short: "n", default: "40" },
    },
  });
  const running = findRunning();
  const folder = running === undefined ? undefined : layout(running.directory).logs;
  if (folder === undefined || !existsSync(folder))
    throw new UserError("Nothing runs, so there are no logs", "start with npm start");
  const known = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .map((name) => path.basename(name, ".log"))
    .sort();
  for (const name of positionals) {
    if (!known.includes(name)) throw new UserError(`There is no process \`${name}\``, suggest(name, known));
  }
  if (!/^\d+$/.test(values.lines))
    throw new UserError(`${values.lines} is no number of lines`, "write it like -n 100");
  const files = (positionals.length > 0 ? positionals : known).map((name) =>
    path.join(folder, `${name}.log`),
  );
  // Ctrl-C ends `tail -F` and is no failure.
  await execa("tail", ["-n", values.lines, ...(values.follow ? ["-F"] : []), ...files], {
    stdio: "inherit",
    reject: false,
  });
}
