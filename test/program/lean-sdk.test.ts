import path from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import * as z from "zod";

const projectRoot = path.resolve(import.meta.dirname, "..", "..");

/** What a script answers in a process of its own, whose SDK has parts that are loaded on use. */
async function inProcess<T>(schema: z.ZodType<T>, script: string): Promise<T> {
  const leanSdk = pathToFileURL(path.join(projectRoot, "components", "lean-sdk.cjs")).href;
  const code = `
    import { createRequire } from "node:module";
    import { keepNoStacks, loadPartsOnUse } from ${JSON.stringify(leanSdk)};
    const require = createRequire(${JSON.stringify(path.join(projectRoot, "program.mjs"))});
    const loaded = (name) => Object.keys(require.cache).some((file) => file.includes("/node_modules/" + name));
    ${script}
  `;
  const options = { cwd: projectRoot, env: { NODE_OPTIONS: "" } };
  const { stdout } = await execa(process.execPath, ["--input-type=module", "--eval", code], options);
  return schema.parse(JSON.parse(stdout));
}

describe("Pulumi's SDK in the program", () => {
  it("comes without compiler, resolver and Automation API until they are used", async () => {
    const schema = z.object({
      before: z.array(z.boolean()),
      after: z.array(z.boolean()),
      text: z.string(),
      automation: z.array(z.boolean()),
      same: z.boolean(),
    });
    const answer = await inProcess(
      schema,
      `
      loadPartsOnUse();
      const pulumi = await import("@pulumi/pulumi");
      const parts = ["typescript/", "@npmcli/arborist/", "@pulumi/pulumi/automation/stack.js"];
      const large = () => parts.map(loaded);
      const before = large();
      const { text } = await pulumi.runtime.serializeFunction(() => 42);
      const { LocalWorkspace } = pulumi.automation;
      const automation = [typeof LocalWorkspace.create === "function", "Stack" in pulumi.automation];
      const same = LocalWorkspace === require("@pulumi/pulumi/automation").LocalWorkspace;
      console.log(JSON.stringify({ before, after: large(), text, automation, same }));
      `,
    );
    expect(answer.before).toEqual([false, false, false]);
    // The resolver is another part than the compiler.
    expect(answer.after).toEqual([true, false, true]);
    expect(answer.text).toContain("() => 42");
    expect(answer).toMatchObject({ automation: [true, true], same: true });
  });

  it("maps the stack of what is thrown and of nothing else", async () => {
    const answer = await inProcess(
      z.object({ thrown: z.string(), kept: z.string(), mapped: z.number() }),
      `
      let mapped = 0;
      Error.prepareStackTrace = (error, frames) => {
        mapped += 1;
        return String(error) + " at " + frames.length + " frame";
      };
      keepNoStacks();
      const kept = new Error().stack;
      const later = new Error();
      later.message = "later";
      const thrown = later.stack;
      console.log(JSON.stringify({ thrown, kept, mapped }));
      `,
    );
    expect(answer).toEqual({ thrown: "Error: later at 1 frame", kept: "Error", mapped: 1 });
  });
});
