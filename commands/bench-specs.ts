import { parseArgs } from "node:util";
import { formatMachine, formatSection, thisMachine } from "./bench/report.ts";
import { specSection } from "./bench/specs.ts";
import { stoppable } from "./files/ending.ts";
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
  const machine = thisMachine();
  const reason = () => new UserError("Stopped before the end", "everything the benchmark wrote is removed");
  const section = await stoppable(reason, (signal) =>
    specSection({
      sizes: [10, 100, 1_000, 10_000],
      rounds,
      progress: (text) => {
        console.error(`  ${text}`);
      },
      signal,
    }),
  );
  if (values.json) console.log(JSON.stringify({ machine, sections: [section] }, null, 2));
  else console.log(`${formatMachine(machine)}\n\n${formatSection(section)}`);
}
