import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import * as prettier from "prettier";
import protobuf from "protobufjs";
import { modelJsonSchema } from "../core/spec/json-schema.ts";
import { modelReference } from "../core/spec/reference.ts";
import { policiesReference } from "../core/policy/document.ts";
import { policySections } from "../core/policy/rules/index.ts";
import { rulesDocument } from "../core/triton/rules/document.ts";
import { ruleSections } from "../core/triton/rules/index.ts";
import { projectRoot } from "./setup/places.ts";

/**
 * `npm run schema`: writes what is made of the schema of model specs, of the rules, of the policies and of Triton's
 * model_config.proto: the JSON Schema for editors, the reference in docs/model-spec.md, docs/rules.md, the tables in
 * docs/policies.md, and the proto as the program reads it.
 */
export async function main(args: string[]): Promise<void> {
  parseArgs({ args, options: {} });
  for (const [file, text] of await generatedFiles()) {
    const target = path.join(projectRoot, file);
    const isCurrent = existsSync(target) && readFileSync(target, "utf8") === text;
    if (!isCurrent) {
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    console.log(`${file}: ${isCurrent ? "as it was" : "written"}`);
  }
}

/** The files and their texts, by their paths in the project. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const schema = modelJsonSchema();
  const schemaFile = "schemas/model.schema.json";
  const proto = "core/triton/proto/model_config";
  const options = await prettier.resolveConfig(path.join(projectRoot, schemaFile));
  const json = (value: unknown): Promise<string> =>
    prettier.format(JSON.stringify(value), { ...options, parser: "json" });
  return new Map([
    [schemaFile, await json(schema)],
    [
      `${proto}.json`,
      await json(protobuf.parse(readFileSync(path.join(projectRoot, `${proto}.proto`), "utf8")).root),
    ],
    ["docs/rules.md", rulesDocument(ruleSections)],
    withReference("docs/model-spec.md", modelReference(schema)),
    withReference("docs/policies.md", policiesReference(policySections)),
  ]);
}

/** A document with the reference between its marks. */
function withReference(file: string, reference: string): [file: string, text: string] {
  const begin = "<!-- reference:begin -->";
  const end = "<!-- reference:end -->";
  const [before, rest] = readFileSync(path.join(projectRoot, file), "utf8").split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${file} lacks ${begin} or ${end}`);
  return [file, `${before}${begin}\n\n${reference}\n\n${end}${after}`];
}
