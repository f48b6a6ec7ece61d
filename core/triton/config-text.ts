import protobuf from "protobufjs/light.js";
import textformat from "protobufjs/ext/textformat.js";
import { messageOf } from "../errors.ts";
import { mostProblems } from "../spec/issues.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import { withoutDefaults } from "./config-defaults.ts";
import { unheldValues } from "./config-values.ts";
import type { ModelConfig } from "./model-config.ts";
import { modelConfigType, textName } from "./model-config-type.ts";

/**
 * `config.pbtxt`: ModelConfig in protobuf's text format. Against protobuf's own parser (C++, which Triton uses), protobufjs
 * also takes names in camelCase, and refuses texts in strings that are no UTF-8.
 */

/** Bytes or characters of the largest text that is read, far more than any real config: so nothing takes long. */
const largest = 1024 ** 2;

/** What is wrong with the size of a text, in bytes or characters. `file` names the text. */
export function sizeProblems(size: number, file: string): Problem[] {
  if (size <= largest) return [];
  const message = `this is no config.pbtxt: it is ${String(size)} bytes long`;
  return [
    {
      file,
      path: "",
      message,
      hint: "real ones have a few thousand, and a million is the most that is read",
    },
  ];
}

/** Canonical text: fields in the order of their numbers, maps sorted by key, every string escaped. */
export function printConfigPbtxt(config: ModelConfig): string {
  const type = modelConfigType();
  return `${textformat.toText(type, withoutDefaults(type, config))}\n`;
}

/**
 * The message of a text, or what is wrong with it, with its line. Values that plain data cannot hold exactly, such as
 * whole numbers beyond 2^53 - 1, are problems with the field's path. `file` names the text in problems.
 */
export function parseConfigPbtxt(
  text: string,
  file: string,
): { readonly config: ModelConfig } | { readonly problems: readonly Problem[] } {
  const size = sizeProblems(text.length, file);
  if (size.length > 0) return { problems: size };
  // Some editors write a byte-order mark, at which Triton itself stops.
  const read = readMessage(text.replace(/^\uFEFF/, ""));
  if ("error" in read) return { problems: [syntaxProblem(read.error, text, file)] };
  const unheld = unheldValues(modelConfigType(), read.message);
  if (unheld.length > 0) return { problems: firstOf(unheld.map((problem) => ({ file, ...problem }))) };
  const config: ModelConfig = modelConfigType().toObject(read.message, { enums: String, longs: Number });
  return { config };
}

/** As many problems as people read, and that there are more: a text of nonsense has one a line. */
export function firstOf(problems: readonly Problem[]): readonly Problem[] {
  const [first] = problems;
  if (first === undefined || problems.length <= mostProblems) return problems;
  const message = `there are ${String(problems.length - mostProblems)} more problems`;
  const hint = "mend these first; the others are shown then";
  return [...problems.slice(0, mostProblems), { file: first.file, path: "", message, hint }];
}

function readMessage(text: string): { readonly message: protobuf.Message } | { readonly error: string } {
  try {
    return { message: textformat.fromText(modelConfigType(), text) };
  } catch (error) {
    // protobufjs throws plain errors for what a text has wrong; there is no class to tell them by.
    return { error: messageOf(error) };
  }
}

/** protobufjs's words in those of config.pbtxt, with the line. */
function syntaxProblem(error: string, text: string, file: string): Problem {
  const [, words = error, told] = /^(.*) \(line (\d+)\)$/s.exec(error) ?? [];
  const line = told === undefined ? lineOf(error, text) : Number(told);
  const { message, hint } = templateFlaw(text.split("\n")[line - 1] ?? "") ?? inOwnWords(words);
  return {
    file: `${file}:${String(line)}`,
    path: "",
    message: legible(message),
    hint,
  };
}

/** Variables such as `${max_batch_size}` that a template's user is to fill in, each once. */
export function templateVariables(text: string): string[] {
  return [...new Set(text.match(/\$\{\w+\}/g))];
}

/** tensorrtllm_backend, for one, hands out templates of configs, with a script that fills them in. */
function templateFlaw(line: string): Pick<Problem, "message" | "hint"> | undefined {
  const variables = templateVariables(line);
  if (variables.length === 0) return undefined;
  const message = `this is a template whose ${variables.join(", ")} is not filled in`;
  return {
    message,
    hint: "fill it in first; for those of tensorrtllm_backend there is tools/fill_template.py",
  };
}

/** Without control characters, and of a length that can be read: a text that is no config is quoted as it comes. */
function legible(message: string): string {
  const plain = message
    .slice(0, 1000)
    .replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
}

/** protobufjs tells the line of some errors only. It reads on and on: the first lines that give the error end at it. */
function lineOf(error: string, text: string): number {
  const lines = text.split("\n");
  let [first, last] = [1, lines.length];
  while (first < last) {
    const middle = Math.floor((first + last) / 2);
    const read = readMessage(lines.slice(0, middle).join("\n"));
    if ("error" in read && read.error === error) last = middle;
    else first = middle + 1;
  }
  return first;
}

function inOwnWords(words: string): Pick<Problem, "message" | "hint"> {
  const [, place = "", what, word = ""] =
    /^([\w.]+): (unknown field|enum value expected|multiple values|list value specified)\b(?: '(.*)')?/s.exec(
      words,
    ) ?? [];
  const { type, field } = lookUp(place);
  if (what === "unknown field" && type !== undefined) {
    const known = type.fieldsArray.map(({ name }) => textName(name));
    return { message: `${type.name} has no field \`${word}\``, hint: suggest(word.slice(0, 100), known) };
  }
  if (what === "enum value expected" && field?.resolvedType instanceof protobuf.Enum) {
    const message = `this is no value of \`${textName(field.name)}\``;
    return { message, hint: suggest("", Object.keys(field.resolvedType.values)) };
  }
  if (what === "multiple values") {
    const twice = field === undefined ? place : field.name;
    return { message: `\`${textName(twice)}\` is given more than once`, hint: "keep one of them" };
  }
  if (what === "list value specified" && field !== undefined) {
    return {
      message: `\`${textName(field.name)}\` takes no list`,
      hint: "write one value, without brackets",
    };
  }
  return {
    message: `this is no config.pbtxt: ${words.replaceAll(".inference.", "")}`,
    hint: "mend this line: Triton reads it by the same rules",
  };
}

/** What a full name of protobufjs, like `.inference.ModelInput.dataType`, stands for. */
function lookUp(place: string): { readonly type?: protobuf.Type; readonly field?: protobuf.Field } {
  const found = place === "" ? null : modelConfigType().root.lookup(place);
  if (found instanceof protobuf.Type) return { type: found };
  return found instanceof protobuf.Field ? { field: found } : {};
}
