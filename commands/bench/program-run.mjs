// One run of the program in a process of its own, against a mocked engine: `node program-run.mjs <run.json>`, where the
// file names the stack, its config as the engine hands it over, what providers answer (by token of a function and by type
// of a resource), and modules. With modules it loads those and does no more, the floor; or, where `registered` names a
// file, registers what that file holds: what the SDK takes for a program that has nothing to work out. A run of the program
// writes such a file where `record` names one. What it prints is milliseconds from the start of the process, those of
// processor time that all its threads took, and the resources that were registered.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import process from "node:process";
import * as pulumi from "@pulumi/pulumi";

// As Pulumi's language host does it, before anything else.
createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"))("source-map-support/register");
const run = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { stack, config, answers, outputs, modules, registered, record } = run;
const made = [];
let resources = 0;
await pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs, custom }) => {
      resources += 1;
      if (record !== undefined) made.push({ type, name, inputs, custom });
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
} else {
  for (const name of modules) await import(name);
  if (registered !== undefined) {
    // As program.mjs does it.
    Error.stackTraceLimit = 1;
    const known = JSON.parse(readFileSync(registered, "utf8"));
    await pulumi.runtime.runInPulumiStack(() => {
      for (const { type, name, inputs, custom } of known)
        if (custom) new pulumi.CustomResource(type, name, inputs);
        else new pulumi.ComponentResource(type, name);
    });
    await pulumi.runtime.disconnect();
  }
}
if (record !== undefined)
  writeFileSync(record, JSON.stringify(made.filter(({ type }) => type !== "pulumi:pulumi:Stack")));
const { user, system } = process.cpuUsage();
console.log(
  JSON.stringify({ milliseconds: performance.now(), processor: (user + system) / 1000, resources }),
);
