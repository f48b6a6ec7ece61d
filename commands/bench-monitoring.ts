import { parseArgs } from "node:util";
import { monitoringSection } from "./bench/monitoring.ts";
import { formatMachine, formatSection, thisMachine } from "./bench/report.ts";
import { stoppable } from "./files/ending.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm run bench:monitoring`: what rules and scrapes of 1, 50 and 500 models cost a real Prometheus. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: "string", default: "1,50,500" },
      seconds: { type: "string", default: "150" },
      json: { type: "boolean", default: false },
    },
  });
  const sizes = values.models.split(",").map(Number);
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 5_000))
    throw new UserError(
      `\`--models ${values.models}\` are no numbers of models`,
      "write them like --models 1,50,500",
    );
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 30 || seconds > 3_600)
    throw new UserError(
      `\`--seconds ${values.seconds}\` is no number from 30 to 3600`,
      "write it like --seconds 150",
    );
  const { programs } = await setUp(["programs"]);
  const machine = thisMachine();
  const reason = () => new UserError("Stopped before the end", "everything the benchmark started is gone");
  const progress = (text: string): void => {
    console.error(`  ${text}`);
  };
  const section = await stoppable(reason, (signal) =>
    monitoringSection({ sizes, programs, seconds, progress, signal }),
  );
  console.log(
    values.json
      ? JSON.stringify({ machine, sections: [section] }, null, 2)
      : `${formatMachine(machine)}\n\n${formatSection(section)}`,
  );
}
