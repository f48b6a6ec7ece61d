import yaml from "js-yaml";

/** How `model.yaml` is written where a program writes it: as people do, short lists and objects on one line. */

/** Columns of the longest line that is written on purpose, as prettier has it in this project. */
const lineWidth = 110;

/**
 * The YAML of a model's content, without comments. What it says is what js-yaml reads from it: texts of every kind are
 * quoted where they must be. Undefined fields are left out.
 */
export function formatModelYaml(document: object): string {
  return blockOf(document, "");
}

/** An object's fields, a line or more each. */
function blockOf(fields: object, indent: string): string {
  return presentEntries(fields)
    .map(([key, value]) => `${indent}${scalar(key)}:${valueAfter(value, scalar(key), indent)}`)
    .join("");
}

/** A value behind `key:`, on the same line where it fits, else on lines of its own. */
function valueAfter(value: unknown, key: string, indent: string): string {
  if (typeof value === "string") return textAfter(value, indent);
  if (!isObject(value)) return ` ${scalar(value)}\n`;
  const line = flow(value);
  const fits = indent.length + key.length + line.length + 2 <= lineWidth;
  if (Object.keys(value).length === 0 || (fits && isShort(value))) return ` ${line}\n`;
  const below = `${indent}  `;
  return `\n${Array.isArray(value) ? listOf(value, below) : blockOf(value, below)}`;
}

function listOf(values: readonly unknown[], indent: string): string {
  return values
    .map((value) => {
      const line = flow(value);
      if (!isObject(value) || Array.isArray(value)) return `${indent}- ${line}\n`;
      if (indent.length + line.length + 2 <= lineWidth) return `${indent}- ${line}\n`;
      // The first field stands behind the dash.
      return `${indent}- ${blockOf(value, `${indent}  `).slice(indent.length + 2)}`;
    })
    .join("");
}

/** A text of several lines is written as such. */
function textAfter(text: string, indent: string): string {
  if (text.includes(replacement)) return ` ${escaped(text)}\n`;
  const [first = "", ...lines] = yaml.dump({ a: text }, { lineWidth: -1, quotingType }).split("\n");
  // The last line ends with a line break too.
  const rest = lines.map((line) => (line === "" ? "" : indent + line)).join("\n");
  return `${first.slice("a:".length)}\n${rest}`;
}

/** Whether a list or an object reads well on one line. */
function isShort(value: object): boolean {
  const values: unknown[] = Object.values(value);
  const objects = values.filter((each) => isObject(each) && !Array.isArray(each));
  return Array.isArray(value)
    ? objects.length <= 2 && values.every(isFlat)
    : values.length <= 6 && objects.length === 0 && values.every(isFlat);
}

/** A scalar, or a list or an object of nothing but scalars and lists of them. */
function isFlat(value: unknown): boolean {
  if (!isObject(value)) return true;
  const values: unknown[] = Object.values(value);
  return Array.isArray(value)
    ? values.every((each) => !isObject(each))
    : values.every((each) => !isObject(each) || (Array.isArray(each) && isFlat(each)));
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (!isObject(value)) return scalarInBrackets(value);
  const fields = presentEntries(value).map(([key, each]) => `${scalarInBrackets(key)}: ${flow(each)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

/** On one line, with quotes where YAML would take it for something else. */
function scalar(value: unknown): string {
  if (typeof value === "string" && value.includes(replacement)) return escaped(value);
  return yaml.dump(value, { flowLevel: 0, lineWidth: -1, quotingType }).trimEnd();
}

/** The same where brackets, braces and commas mean something; js-yaml does not quote all texts that need it there. */
function scalarInBrackets(value: unknown): string {
  if (typeof value === "string" && value.includes(replacement)) return escaped(value);
  const forceQuotes = typeof value === "string" && /[,:[\]{}]/.test(value);
  return yaml.dump([value], { flowLevel: 0, lineWidth: -1, quotingType, forceQuotes }).trimEnd().slice(1, -1);
}

/** What decoders put in the place of bytes that are no UTF-8: in a file as it is, it stands for a damaged one. */
const replacement = "\uFFFD";

function escaped(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const quotingType = '"';

function presentEntries(fields: object): [string, unknown][] {
  return Object.entries(fields).filter(([, value]) => value !== undefined);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
