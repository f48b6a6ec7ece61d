import path from "node:path";
import { formatModelYaml } from "../../core/spec/model-yaml.ts";
import { projectRoot } from "../setup/places.ts";

/** The JSON Schema of a model.yaml, by which editors complete and check. */
const schemaFile = path.join(projectRoot, "schemas", "model.schema.json");

/** The text of a `model.yaml` that is to lie in a folder. */
export function specText(document: object, directory: string): string {
  return schemaComment(directory) + formatModelYaml(document);
}

/** A spec's first line, for the YAML language server that most editors have; empty outside of this checkout. */
export function schemaComment(directory: string): string {
  const folder = path.resolve(directory);
  if (path.relative(projectRoot, folder).startsWith("..")) return "";
  const relative = path.relative(folder, schemaFile).split(path.sep).join("/");
  return `# yaml-language-server: $schema=${relative}\n`;
}
