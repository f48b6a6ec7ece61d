import { parseArgs } from "node:util";
import { programSection } from "./bench/program.ts";
import { formatMachine, formatSection, thisMachine } from "./bench/report.ts";
import { stoppable } from "./files/ending.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm run bench:program`: what `pulumi preview` spends in the program, for 10 to 500 models. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: "boolean", default: false } } });
  const machine = thisMachine();
  const reason = () => new UserError("Stopped before the end", "everything the benchmark wrote is removed");
  const section = await stoppable(reason, (signal) =>
    programSection({
      sizes: [10, 100, 500],
      rounds: 5,
      progress: (text) => {
        console.error(`  ${text}`);
      },
      signal,
    }),
  );
  if (values.json) console.log(JSON.stringify({ machine, sections: [section] }, null, 2));
  else console.log(`${formatMachine(machine)}\n\n${formatSection(section)}`);
}
