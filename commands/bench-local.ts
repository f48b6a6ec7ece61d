import { parseArgs } from "node:util";
import { balancerSections } from "./bench/balancer.ts";
import { addBatchingTwins, batchingSections } from "./bench/batching.ts";
import { generatorSections } from "./bench/generators.ts";
import { llmSections } from "./bench/llm.ts";
import { withPlatform } from "./bench/platform.ts";
import { formatMachine, formatSection, thisMachine, type Section } from "./bench/report.ts";
import { setupSection } from "./bench/setup.ts";
import { upSection } from "./bench/up.ts";
import { stoppable } from "./files/ending.ts";
import { setUpLoadProgram, vegetaProgram } from "./setup/load-programs.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";

const parts = ["setup", "up", "balancer", "batching", "llm", "generators"] as const;
type Part = (typeof parts)[number];

/** Only where they are asked for: a fresh set-up takes minutes and downloads everything anew, and generators are built. */
const usual: readonly Part[] = ["up", "balancer", "batching", "llm"];

const help = `Measures this machine: npm run bench:local [-- options]
  --only <part>      ${parts.join(", ")}; may be given several times (default: all but setup and generators)
  --seconds <n>      how long each way is measured, over all rounds (llm: in each;
                     generators: 200 calls in each for a second), 1 to 600 (default: 10)
  --json             prints the figures as JSON`;

/** `npm run bench:local`: what set-up, balancer, batching, LLM proxy and load generators cost here. Runs a platform of its own. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string", multiple: true },
      seconds: { type: "string", default: "10" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const wanted = values.only === undefined ? usual : values.only.map(partNamed);
  const seconds = secondsFrom(values.seconds);
  const machine = thisMachine();
  const reason = (): Error => {
    console.error("Stopping and cleaning up …");
    return new UserError("Stopped before the end", "everything the benchmark started is removed");
  };
  const started = new Date();
  const sections: Section[] = [];
  const show = (...made: Section[]): void => {
    sections.push(...made);
    if (!values.json) for (const section of made) console.log(`\n${formatSection(section)}`);
  };
  if (!values.json) console.log(formatMachine(machine));
  await stoppable(reason, async (signal) => {
    const options = { seconds, progress: announce, signal };
    if (wanted.includes("setup")) show(await setupSection(options));
    if (wanted.some((part) => part !== "setup")) {
      const { python } = await setUp(["python", "triton", "programs", "engine"]);
      const programs = { python: python.executable, vegeta: await setUpLoadProgram(vegetaProgram) };
      if (wanted.includes("up") || wanted.includes("llm") || wanted.includes("generators")) {
        await withPlatform(options, async (platform) => {
          if (wanted.includes("up")) show(await upSection(platform, options));
          if (wanted.includes("llm")) show(...(await llmSections(platform, programs, options)));
          if (wanted.includes("generators")) {
            show(...(await generatorSections(platform, programs, options)));
          }
        });
      }
      if (wanted.includes("balancer") || wanted.includes("batching")) {
        await withPlatform({ ...options, changeModels }, async (platform) => {
          if (wanted.includes("balancer")) {
            show(...(await balancerSections(platform, programs, options)));
          }
          if (wanted.includes("batching")) show(...(await batchingSections(platform, programs, options)));
        });
      }
    }
  });
  if (values.json) console.log(JSON.stringify({ date: started.toISOString(), machine, sections }, null, 2));
}

function changeModels(folder: string): void {
  addBatchingTwins(folder);
}

/** Progress goes to standard error: standard output belongs to the figures. */
function announce(text: string): void {
  console.error(`  ${text}`);
}

function partNamed(name: string): Part {
  const part = parts.find((candidate) => candidate === name);
  if (part !== undefined) return part;
  throw new UserError(`There is nothing called \`${name}\` to measure`, `--only takes ${parts.join(", ")}`);
}

function secondsFrom(text: string): number {
  const seconds = Number(text);
  if (seconds >= 1 && seconds <= 600) return seconds;
  throw new UserError(`\`--seconds ${text}\` is no number from 1 to 600`, "write it like --seconds 10");
}
