import process from "node:process";
import { parseArgs } from "node:util";
import { formatMachine, formatSection, thisMachine } from "./bench/report.ts";
import { specSection } from "./bench/specs.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm run bench:specs`: what reading, checking and writing 10 to 10 000 models costs here. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new UserError(
      `\`--rounds ${values.rounds}\` is no number from 1 to 100`,
      "write it like --rounds 5",
    );
  const stopped = new AbortController();
  const stop = (): void => {
    stopped.abort(new UserError("Stopped before the end", "everything the benchmark wrote is removed"));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    const machine = thisMachine();
    const section = await specSection({
      sizes: [10, 100, 1_000, 10_000],
      rounds,
      progress: (text) => {
        console.error(`  ${text}`);
      },
      signal: stopped.signal,
    });
    if (values.json) console.log(JSON.stringify({ machine, sections: [section] }, null, 2));
    else console.log(`${formatMachine(machine)}\n\n${formatSection(section)}`);
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
