// One run of the program in a process of its own, against a mocked engine: `node program-run.mjs
// <floor|program> <config.json>`. `floor` starts Node and loads the same SDKs, and no more. What it prints is
// milliseconds from the start of the process, those of processor time that all its threads took, and the resources that
// were registered.
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import process from "node:process";
import * as pulumi from "@pulumi/pulumi";

const [mode, file] = process.argv.slice(2);
let resources = 0;
await pulumi.runtime.setMocks(
  {
    newResource: ({ name, inputs }) => {
      resources += 1;
      return { id: name, state: inputs };
    },
    call: () => ({}),
  },
  "triton-platform",
  "bench",
);
if (mode === "program") {
  pulumi.runtime.setAllConfig(JSON.parse(readFileSync(file, "utf8")));
  const { default: program } = await import("../../program.mjs");
  await pulumi.runtime.runInPulumiStack(program);
  await pulumi.runtime.disconnect();
} else {
  await import("@pulumi/kubernetes/provider.js");
  await import("@pulumi/kubernetes/helm/v3/release.js");
}
const { user, system } = process.cpuUsage();
console.log(
  JSON.stringify({ milliseconds: performance.now(), processor: (user + system) / 1000, resources }),
);
