import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { layout } from "../components/local/supervised.ts";
import { suggest } from "../core/spec/problem.ts";
import { stackName } from "./local/home.ts";
import { findRunning } from "./local/running.ts";
import { UserError } from "./setup/user-error.ts";
import { readDockerStack, runningContainers } from "./stack/docker.ts";

/**
 * `npm run logs [-- name …] [-f] [--stack <name>]`: the last lines of the log of every process of this machine, or of every
 * container of a Docker host, or of those named.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      follow: { type: "boolean", short: "f", default: false },
      lines: { type: "string", short: "n", default: "40" },
      stack: { type: "string", short: "s" },
    },
  });
  if (!/^\d+$/.test(values.lines))
    throw new UserError(`${values.lines} is no number of lines`, "write it like -n 100");
  if (values.stack !== undefined && values.stack !== stackName) {
    await dockerLogs(values.stack, positionals, values);
    return;
  }
  const running = findRunning();
  const folder = running === undefined ? undefined : layout(running.directory).logs;
  if (folder === undefined || !existsSync(folder))
    throw new UserError("Nothing runs, so there are no logs", "start with npm start");
  const known = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .map((name) => path.basename(name, ".log"))
    .sort();
  checkNames(positionals, known, "process");
  const files = (positionals.length > 0 ? positionals : known).map((name) =>
    path.join(folder, `${name}.log`),
  );
  // Ctrl-C ends `tail -F` and is no failure.
  await execa("tail", ["-n", values.lines, ...(values.follow ? ["-F"] : []), ...files], {
    stdio: "inherit",
    reject: false,
  });
}

async function dockerLogs(
  stack: string,
  names: readonly string[],
  { follow, lines }: { readonly follow: boolean; readonly lines: string },
): Promise<void> {
  const { docker } = readDockerStack(stack);
  const there = await runningContainers(docker.host, stack);
  if (there.length === 0)
    throw new UserError(
      `Nothing of the stack \`${stack}\` is on ${docker.host}`,
      "pulumi up brings it there",
    );
  checkNames(
    names,
    there.map(({ name }) => name),
    "container",
  );
  const wanted = there.filter(({ name }) => names.length === 0 || names.includes(name));
  const show = async ({ id, name }: (typeof wanted)[number]): Promise<void> => {
    const args = ["--host", docker.host, "logs", "--tail", lines, ...(follow ? ["--follow"] : []), id];
    console.log(`==> ${name} <==`);
    // Ctrl-C ends it and is no failure.
    await execa("docker", args, { stdio: "inherit", reject: false });
  };
  if (follow) await Promise.all(wanted.map(show));
  else for (const container of wanted) await show(container);
}

function checkNames(names: readonly string[], known: readonly string[], what: string): void {
  for (const name of names) {
    if (!known.includes(name)) throw new UserError(`There is no ${what} \`${name}\``, suggest(name, known));
  }
}
