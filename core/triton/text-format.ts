/**
 * Protocol Buffers' text format, as config.pbtxt is written in. A message is a list of fields in the order they are
 * printed; a field that repeats is given several times or as an array.
 */
export type Scalar = string | number | boolean | EnumValue;
export type Field = readonly [name: string, value: Scalar | Message | readonly Scalar[] | undefined];
export interface Message {
  readonly fields: readonly Field[];
}

/** A name printed without quotes, as in `kind: KIND_GPU`. */
export class EnumValue {
  constructor(readonly name: string) {}
}

/** A message of these fields. A field whose value is undefined or an empty array is not printed. */
export function message(...fields: readonly Field[]): Message {
  return { fields };
}

/** A message as text, two spaces a level, a newline at the end. */
export function printMessage({ fields }: Message, indent = ""): string {
  return fields.map(([name, value]) => printField(name, value, indent)).join("");
}

function printField(name: string, value: Field[1], indent: string): string {
  if (value === undefined) return "";
  if (typeof value === "object" && "fields" in value) {
    const body = printMessage(value, `${indent}  `);
    return body === "" ? `${indent}${name} {}\n` : `${indent}${name} {\n${body}${indent}}\n`;
  }
  if (isArray(value))
    return value.length === 0 ? "" : `${indent}${name}: [${value.map(printScalar).join(", ")}]\n`;
  return `${indent}${name}: ${printScalar(value)}\n`;
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray(value: Scalar | readonly Scalar[]): value is readonly Scalar[] {
  return Array.isArray(value);
}

function printScalar(value: Scalar): string {
  if (value instanceof EnumValue) return value.name;
  return typeof value === "string" ? quote(value) : String(value);
}

/** Control characters as octal escapes, which protobuf's parser reads back to the same byte; the rest is UTF-8. */
function quote(text: string): string {
  const escaped = text.replace(/["\\\p{Cc}]/gu, (character) =>
    character === '"' || character === "\\" ? `\\${character}` : octal(character),
  );
  return `"${escaped}"`;
}

function octal(character: string): string {
  return [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
