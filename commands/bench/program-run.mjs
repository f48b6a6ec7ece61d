// One run of the program in a process of its own, against a mocked engine: `node program-run.mjs <run.json>`, where the
// file names the stack, its config as the engine hands it over, what providers answer (by token of a function and by type
// of a resource), and modules. With modules it loads those and does no more, the floor; or, where `registered` names a
// file, registers what that file holds: what the SDK takes for a program that has nothing to work out. A run of the program
// writes such a file where `record` names one. With `lean` those two load of the SDK what the program does. What it prints
// is milliseconds from the start of the process, those of processor time that all its threads took, and the resources that
// were registered.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { keepNoStacks, loadPartsOnUse } from "../../components/lean-sdk.cjs";

// What Pulumi's language host (cmd/run of the SDK) has loaded when it comes to the program, in its order.
const require = createRequire(import.meta.url);
const sdk = createRequire(require.resolve("@pulumi/pulumi"));
for (const name of [
  "./cmd/run/instrumentation",
  "source-map-support/register",
  "./log",
  "./runtime/settings",
  "minimist",
])
  sdk(name);
const { isInitializedAsync } = sdk("./runtime/closure/v8Hooks");
await isInitializedAsync();
for (const name of ["ini", "semver", "./errors", "./runtime/manifest", "./tsutils", "./cmd/run/tracing"])
  sdk(name);
const { disconnect } = sdk("./runtime/settings");
const { runInPulumiStack } = sdk("./runtime/stack");

const run = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { stack, config, answers, outputs, modules, registered, record, lean } = run;
const made = [];
let resources = 0;
await sdk("./runtime/mocks").setMocks(
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
  sdk("./runtime/config").setAllConfig(config);
  await runInPulumiStack(async () => {
    const { default: program } = await import("../../program.mjs");
    return program();
  });
  await disconnect();
} else {
  if (lean) {
    loadPartsOnUse();
    keepNoStacks();
  }
  for (const name of modules) await import(name);
  if (registered !== undefined) {
    const known = JSON.parse(readFileSync(registered, "utf8"));
    const { CustomResource, ComponentResource } = sdk("./resource");
    await runInPulumiStack(() => {
      for (const { type, name, inputs, custom } of known)
        if (custom) new CustomResource(type, name, inputs);
        else new ComponentResource(type, name);
    });
    await disconnect();
  }
}
if (record !== undefined)
  writeFileSync(record, JSON.stringify(made.filter(({ type }) => type !== "pulumi:pulumi:Stack")));
const { user, system } = process.cpuUsage();
console.log(
  JSON.stringify({ milliseconds: performance.now(), processor: (user + system) / 1000, resources }),
);
