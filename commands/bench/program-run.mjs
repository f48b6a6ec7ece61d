// One run of the program in a process of its own, against a mocked engine: `node program-run.mjs <run.json>`, where the
// file names the stack, its config as the engine hands it over, what providers answer (by token of a function and by type
// of a resource), and modules. With modules it loads those and does no more: the floor. What it prints is milliseconds from
// the start of the process, those of processor time that all its threads took, and the resources that were registered.
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import process from "node:process";
import * as pulumi from "@pulumi/pulumi";

const { stack, config, answers, outputs, modules } = JSON.parse(readFileSync(process.argv[2], "utf8"));
let resources = 0;
await pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs }) => {
      resources += 1;
      return { id: name, state: { ...inputs, ...outputs[type] } };
    },
    call: ({ token }) => answers[token] ?? {},
  },
  "triton-platform",
  stack,
);
if (modules === undefined) {
  pulumi.runtime.setAllConfig(config);
  const { default: program } = await import("../../program.mjs");
  await pulumi.runtime.runInPulumiStack(program);
  await pulumi.runtime.disconnect();
} else for (const name of modules) await import(name);
const { user, system } = process.cpuUsage();
console.log(
  JSON.stringify({ milliseconds: performance.now(), processor: (user + system) / 1000, resources }),
);
