import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { suggest } from "../../../core/spec/problem.ts";
import { isRecord, unknownValue, type Properties } from "./values.ts";

/**
 * What the SDK's own declarations say of a resource's properties: @pulumi/aws is made from the real provider's schema, so
 * that a property it does not name is one that the real provider refuses.
 */

type Kind =
  | { readonly kind: "string" | "number" | "boolean" | "any" }
  | { readonly kind: "list"; readonly of: Kind }
  | { readonly kind: "map"; readonly of: Kind }
  /** Name of an interface in types/input.d.ts, as in `eks.ClusterVpcConfig`. */
  | { readonly kind: "object"; readonly name: string };

interface Field {
  readonly required: boolean;
  readonly kind: Kind;
}
type Fields = ReadonlyMap<string, Field>;

export interface Shape {
  readonly inputs: Fields;
  /** All that a resource has beside its id. */
  readonly outputs: readonly string[];
  /** Those that are never undefined. */
  readonly alwaysThere: readonly string[];
}

export interface ShapeProblem {
  readonly property: string;
  readonly reason: string;
}

const folder = path.dirname(createRequire(import.meta.url).resolve("@pulumi/aws/package.json"));
const shapes = new Map<string, Shape>();
const objects = new Map<string, Fields>();
let inputTypes: string | undefined;

/** Of a type like `aws:ec2/vpc:Vpc`. */
export function shapeOf(type: string): Shape {
  const known = shapes.get(type);
  if (known !== undefined) return known;
  const [, module = "", name = ""] = type.split(":");
  const declared = declarations(module);
  const shape = {
    inputs: fieldsOf(declared, `${name}Args`),
    outputs: [...fieldsOf(declared, `${name}State`).keys()],
    alwaysThere: [...declared.matchAll(/^ {4}readonly (\w+): pulumi\.Output<(.*)$/gm)]
      .filter(([, , kind = ""]) => !kind.endsWith("| undefined>;") && kind !== "{")
      .map(([, property = ""]) => property),
  };
  shapes.set(type, shape);
  return shape;
}

/** Of a function like `aws:index/getCallerIdentity:getCallerIdentity`. */
export function argumentsOf(token: string): Fields {
  const [, module = "", name = ""] = token.split(":");
  return fieldsOf(declarations(module.replace(/^index\//, "")), `G${name.slice(1)}Args`);
}

/** Of the provider itself. */
export function providerFields(): Fields {
  return fieldsOf(declarations("provider"), "ProviderArgs");
}

/** What properties have that they may not have, or lack. */
export function shapeProblems(fields: Fields, properties: Properties, place = ""): ShapeProblem[] {
  const name = (key: string): string => (place === "" ? key : `${place}.${key}`);
  const missing = [...fields]
    .filter(([key, { required }]) => required && properties[key] === undefined)
    .map(([key]) => ({ property: name(key), reason: "it is required" }));
  const wrong = Object.entries(properties)
    .filter(([key, value]) => value !== undefined && !key.startsWith("__"))
    .flatMap(([key, value]) => {
      const field = fields.get(key);
      if (field !== undefined) return kindProblems(field.kind, value, name(key));
      const hint = suggest(key, [...fields.keys()]);
      return [{ property: name(key), reason: `@pulumi/aws has no such property. ${hint}` }];
    });
  return [...missing, ...wrong];
}

function kindProblems(kind: Kind, value: unknown, place: string): ShapeProblem[] {
  if (value === unknownValue || kind.kind === "any") return [];
  const wrong = (wanted: string): ShapeProblem[] => [
    { property: place, reason: `it must be ${wanted}, and is ${JSON.stringify(value)}` },
  ];
  switch (kind.kind) {
    case "list":
      return Array.isArray(value)
        ? value.flatMap((item: unknown, index) => kindProblems(kind.of, item, `${place}[${String(index)}]`))
        : wrong("a list");
    case "map":
      return isRecord(value)
        ? Object.entries(value).flatMap(([key, item]) => kindProblems(kind.of, item, `${place}.${key}`))
        : wrong("a map");
    case "object":
      return isRecord(value) ? shapeProblems(objectFields(kind.name), value, place) : wrong("an object");
    default:
      return typeof value === kind.kind ? [] : wrong(`a ${kind.kind}`);
  }
}

function declarations(module: string): string {
  return readFileSync(path.join(folder, `${module}.d.ts`), "utf8");
}

function objectFields(name: string): Fields {
  const known = objects.get(name);
  if (known !== undefined) return known;
  inputTypes ??= readFileSync(path.join(folder, "types", "input.d.ts"), "utf8");
  const [namespace = "", type = ""] = name.split(".");
  const start = inputTypes.indexOf(`\nexport declare namespace ${namespace} {`);
  const end = inputTypes.indexOf("\nexport declare namespace ", start + 1);
  const fields = fieldsOf(inputTypes.slice(start, end === -1 ? undefined : end), type);
  objects.set(name, fields);
  return fields;
}

/** Fields of an interface in a file of declarations that a program wrote, so that a pattern reads it. */
function fieldsOf(declared: string, name: string): Fields {
  const found = new RegExp(String.raw`^( *)(?:export )?interface ${name} \{\n([\s\S]*?)^\1\}`, "m").exec(
    declared,
  );
  if (found === null) throw new Error(`@pulumi/aws declares no ${name}`);
  const [, indent = "", body = ""] = found;
  const bare = body.replaceAll(/^ *\/\*\*[\s\S]*?\*\/\n/gm, "");
  const field = new RegExp(
    String.raw`^${indent} {4}(\w+)(\??): ([\s\S]*?);$(?=\n${indent} {4}\w|\n*$(?![\s\S]))`,
    "gm",
  );
  return new Map(
    [...bare.matchAll(field)].map(([, key = "", optional, kind = ""]) => [
      key,
      { required: optional === "", kind: kindOf(kind) },
    ]),
  );
}

function kindOf(declared: string): Kind {
  const type = declared.trim().replace(/ \| undefined$/, "");
  const list = /^(?:pulumi\.Input<([\s\S]*)>|([^|]*))\[\]$/.exec(type);
  if (list !== null) return { kind: "list", of: kindOf(list[1] ?? list[2] ?? "") };
  const input = /^pulumi\.Input<([\s\S]*)>$/.exec(type);
  if (input !== null) return kindOf(input[1] ?? "");
  const map = /^\{\s*\[key: string\]: ([\s\S]*);\s*\}$/.exec(type);
  if (map !== null) return { kind: "map", of: kindOf(map[1] ?? "") };
  const object = /^inputs\.(\w+\.\w+)$/.exec(type);
  if (object !== null) return { kind: "object", name: object[1] ?? "" };
  const [first = "", ...others] = type.split(" | ");
  if (!others.every((other) => other.startsWith("enums."))) return { kind: "any" };
  return first === "string" || first === "number" || first === "boolean" ? { kind: first } : { kind: "any" };
}
