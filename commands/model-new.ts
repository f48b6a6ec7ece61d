import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { formatLock, listArtifacts, lockFilename } from "../core/spec/artifacts.ts";
import { specFilename } from "../core/spec/load.ts";
import { nameProblems } from "../core/spec/model-name.ts";
import { ProblemsError, refuse, suggest, type Problem } from "../core/spec/problem.ts";
import { readSignature, type Signature } from "../core/onnx/signature.ts";
import { copyFile } from "./files/copy.ts";
import { replaceFolder } from "./files/replace.ts";
import { projectModels, userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { schemaComment } from "./import/spec-file.ts";
import { withFileBytes } from "./new/file-bytes.ts";
import { artifactPath, specTemplate, templates, type Template } from "./new/templates.ts";
import { UserError } from "./setup/user-error.ts";

const usage = `npm run model:new -- <name> --backend <${templates.join("|")}> [--onnx <file>] [--out <models folder>]`;

/**
 * `npm run model:new -- <name> --backend <backend>`: starts a model from a template. `--onnx <file>` copies an ONNX model
 * and takes its inputs and outputs from it. `--out` is the models folder, the project's where left out. Nothing is overwritten.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      backend: { type: "string" },
      onnx: { type: "string" },
      out: { type: "string" },
    },
  });
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) throw new UserError("One name is needed", usage);
  const out = values.out === undefined ? projectModels() : userPath(values.out);
  const folder = path.join(out, name);
  refuse(nameProblems(name, folder));
  const template = templateOf(values.backend, values.onnx);
  if (existsSync(folder))
    throw new UserError(`${folder} is there already`, "choose another name: nothing is overwritten");

  const onnx = values.onnx === undefined ? undefined : onnxFile(userPath(values.onnx));
  await writingTo(out, async () => {
    mkdirSync(out, { recursive: true });
    await replaceFolder(folder, (unfinished) => fill(unfinished, folder, template, onnx));
  });
  console.log(nextSteps(folder, template, onnx !== undefined));
}

/** Writes the model's files into a folder that is to be `home`. */
async function fill(folder: string, home: string, template: Template, onnx?: OnnxFile): Promise<void> {
  const version = path.join(folder, "1");
  const spec = schemaComment(home) + specTemplate(template, onnx?.signature);
  writeFileSync(path.join(folder, specFilename), spec);
  if (onnx !== undefined) await copyOnnx(onnx, version);
  if (template === "python") await copyFile(pythonTemplate, path.join(version, "model.py"));
  const artifacts = listArtifacts(folder);
  if (artifacts.length > 0) writeFileSync(path.join(folder, lockFilename), formatLock(artifacts));
}

const pythonTemplate = path.join(import.meta.dirname, "new", "templates", "model.py");

function templateOf(backend: string | undefined, onnx: string | undefined): Template {
  if (backend === undefined && onnx !== undefined) return "onnxruntime";
  if (backend === undefined) throw new UserError("--backend is needed: what runs the model", usage);
  const template = templates.find((known) => known === backend);
  if (template === undefined) {
    const hint = `${suggest(backend, templates)}; for a backend of your own, take any and change it in ${specFilename}`;
    throw new UserError(`There is no template for \`${backend}\``, hint);
  }
  if (onnx !== undefined && template !== "onnxruntime") {
    throw new UserError(`--onnx is for onnxruntime, not for ${template}`, "leave one of the two out");
  }
  return template;
}

interface OnnxFile {
  readonly file: string;
  readonly signature: Signature;
}

function onnxFile(file: string): OnnxFile {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new UserError(`There is no file ${file}`, "name an ONNX model with --onnx");
  }
  const signature = withFileBytes(file, (bytes) => readSignature(bytes, file));
  if ("problems" in signature) throw new ProblemsError(signature.problems);
  refuse(signature.externalFiles.flatMap((external) => externalProblems(external, file)));
  return { file, signature };
}

/** ONNX names them relative to the model, and Triton finds them only beside it. */
function externalProblems(external: string, file: string): Problem[] {
  const problem = { file, path: external, hint: "export the model again, with its weights beside it" };
  if (path.isAbsolute(external) || path.normalize(external).startsWith("..")) {
    return [{ ...problem, message: "weights are in this file, which is not below the model's folder" }];
  }
  return existsSync(path.join(path.dirname(file), external))
    ? []
    : [{ ...problem, message: "weights are in this file, which is not there" }];
}

async function copyOnnx({ file, signature }: OnnxFile, version: string): Promise<void> {
  await copyFile(file, path.join(version, "model.onnx"));
  for (const external of signature.externalFiles) {
    await copyFile(path.join(path.dirname(file), external), path.join(version, external));
  }
}

function nextSteps(folder: string, template: Template, hasArtifact: boolean): string {
  const artifact = hasArtifact || template === "python" ? undefined : artifactPath(template);
  const steps = [
    `Describe the model in ${path.join(folder, specFilename)}`,
    ...(template === "python" ? [`Write ${path.join(folder, "1", "model.py")}`] : []),
    ...(artifact === undefined ? [] : [`Put the artifact into ${path.join(folder, artifact)}`]),
    ...(template === "ensemble" ? [] : [`npm run models -- ${path.basename(folder)}   pins its files`]),
    "npm start   checks and serves it",
  ];
  return steps.map((step, i) => `${String(i + 1)}. ${step}`).join("\n");
}
