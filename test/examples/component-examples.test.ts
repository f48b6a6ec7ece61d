import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../support/tools.ts";

/** A program that a component's doc comment shows. */
interface Example {
  readonly component: string;
  readonly text: string;
}

const entry = path.join(projectRoot, "components", "index.ts");

/** Files of the components that other programs get, by the name of the component. */
const sources = [...readFileSync(entry, "utf8").matchAll(/export \{ (\w+).* from "(.+)"/g)].map(
  ([, component = "", file = ""]) => ({ component, file: path.join(path.dirname(entry), file) }),
);

const examples = sources.flatMap(({ component, file }): Example[] => {
  const [, block] = /@example\n \* ```ts\n([\s\S]*?) \* ```/.exec(readFileSync(file, "utf8")) ?? [];
  return block === undefined ? [] : [{ component, text: block.replaceAll(/^ \* ?/gm, "") }];
});

/** Of a program whose files are these, beside those of the project. */
function problemsOf(files: ReadonlyMap<string, string>): string[] {
  const config = ts.getParsedCommandLineOfConfigFile(path.join(projectRoot, "tsconfig.json"), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"));
    },
  });
  const options = { ...config?.options, noUnusedLocals: false };
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  host.readFile = (name) => files.get(name) ?? read(name);
  const exists = host.fileExists.bind(host);
  host.fileExists = (name) => files.has(name) || exists(name);
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((name) => {
    const source = program.getSourceFile(name);
    return ts
      .getPreEmitDiagnostics(program, source)
      .map(
        ({ messageText }) => `${path.basename(name)}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
      );
  });
}

const asFiles = (programs: readonly Example[]): ReadonlyMap<string, string> =>
  new Map(
    programs.map(({ component, text }) => [path.join(path.dirname(entry), `example-${component}.ts`), text]),
  );

describe("the components that other programs get", () => {
  it("each have an example in their comment", () => {
    expect(sources.length).toBeGreaterThan(15);
    expect(examples.map(({ component }) => component)).toEqual(sources.map(({ component }) => component));
  });

  it("have examples that compile as they stand, importing from the one entry", { timeout: 120_000 }, () => {
    const wrong = { component: "Wrong", text: 'import { Nowhere } from "triton-platform/components";' };
    expect(problemsOf(asFiles([...examples, wrong]))).toEqual([
      `example-Wrong.ts: Module '"triton-platform/components"' has no exported member 'Nowhere'.`,
    ]);
  });
});
