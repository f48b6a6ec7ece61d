import { parseArgs } from "node:util";
import { eksSection, kubernetesSection } from "./bench/program.ts";
import { formatMachine, formatSection, thisMachine } from "./bench/report.ts";
import { stoppable } from "./files/ending.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm run bench:program`: what `pulumi preview` spends in the program, for 10 to 500 models and for whole stacks on AWS. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: "boolean", default: false } } });
  const machine = thisMachine();
  const reason = () => new UserError("Stopped before the end", "everything the benchmark wrote is removed");
  const sections = await stoppable(reason, async (signal) => {
    const progress = (text: string): void => {
      console.error(`  ${text}`);
    };
    const options = { rounds: 5, progress, signal };
    return [
      await kubernetesSection([10, 100, 500], options),
      await eksSection(["dev", "prod-base"], options),
    ];
  });
  if (values.json) console.log(JSON.stringify({ machine, sections }, null, 2));
  else console.log([formatMachine(machine), ...sections.map(formatSection)].join("\n\n"));
}
