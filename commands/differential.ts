import process from "node:process";
import { parseArgs } from "node:util";
import { agrees, compare, type Comparison } from "../test/differential/compare.ts";
import { projectJudge, withFolder } from "../test/differential/judge.ts";
import { formatComparison } from "../test/differential/report.ts";
import { stoppable } from "./files/ending.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";

const help = `Compares the checker of models with the real tritonserver: npm run differential [-- options]
  --count <n>        generated models (default: 2000)
  --seed <n>         the same seed gives the same models (default: of the clock)
  --parallel <n>     models that are loaded at a time, 1 to 64 (default: 16)
  --deadly           also tries what ends the server or makes it hang; each takes half a minute`;

/** `npm run differential`: fails where checker and server differ in a way that exceptions.ts does not list. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      count: { type: "string", default: "2000" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      parallel: { type: "string", default: "16" },
      deadly: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const count = wholeNumber("count", values.count, 1_000_000);
  const seed = wholeNumber("seed", values.seed, 2 ** 31 - 1);
  const parallel = wholeNumber("parallel", values.parallel, 64);
  const { triton } = await setUp(["python", "triton"]);
  const reason = () =>
    new UserError("Stopped before the end", `--seed ${String(seed)} makes the same models again`);
  const comparison = await stoppable(reason, (signal) =>
    withFolder((folder) =>
      compare({
        triton,
        judge: projectJudge(folder),
        count,
        seed,
        parallel,
        deadly: values.deadly,
        progress: progressLine(count),
        signal,
      }),
    ),
  );
  console.log(formatComparison(comparison));
  if (!agrees(comparison)) process.exitCode = 1;
}

/** Says every ten seconds how far it is, and what differs so far. */
function progressLine(count: number): (done: number, comparison: Comparison) => void {
  let next = 10;
  return (done, { seconds, tooLax, tooStrict }) => {
    if (seconds < next && done < count) return;
    next = seconds + 10;
    const differing = `${String(tooLax.length)} accepted here alone, ${String(tooStrict.length)} refused here alone`;
    console.error(`${String(done)} of ${String(count)} in ${seconds.toFixed(0)} s: ${differing}`);
  };
}

function wholeNumber(option: string, text: string, highest: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= highest) return value;
  throw new UserError(
    `--${option} ${text} is not possible`,
    `use a whole number from 1 to ${String(highest)}`,
  );
}
