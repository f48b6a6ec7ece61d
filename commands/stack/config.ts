import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import { parseYaml } from "../../core/spec/parse.ts";
import { parsePlatform, type PlatformConfig } from "../../core/spec/platform.ts";
import { ProblemsError, suggest } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";
import { UserError } from "../setup/user-error.ts";

/** A stack's config as its files have it: no engine, no backend and no passphrase is needed. */
export interface StackConfig {
  readonly config: PlatformConfig;
  readonly hasApiKey: boolean;
  /** Its file, as problems name it. */
  readonly file: string;
}

/** A stack that is deployed by its name. */
export interface NamedStack extends StackConfig {
  /** As Pulumi knows it: `dev`. */
  readonly stack: string;
}

/** An empty file is YAML's null. */
const stackFileSchema = z.preprocess(
  (document) => document ?? {},
  z.looseObject({ config: z.record(z.string(), z.unknown()).nullish() }),
);
export type StackFile = z.output<typeof stackFileSchema>;

/** The committed config of a stack. Throws all problems at once; a stack without a file is refused by name. */
export function readStack(stack: string): NamedStack {
  const name = fileOf(stack);
  const file = fileIn(name);
  if (existsSync(file)) return { ...readStackConfig(file, name), stack };
  const known = readdirSync(projectRoot).flatMap((other) => /^Pulumi\.(.+)\.yaml$/.exec(other)?.[1] ?? []);
  throw new UserError(`There is no stack \`${stack}\`: ${name} is not there`, suggest(stack, known));
}

/** A benchmark cluster's file is in none of the checkout's folders: `bench:cluster` says where. */
function fileIn(name: string): string {
  const other = path.join(process.env.TRITON_PLATFORM_STACKS ?? projectRoot, name);
  return existsSync(other) ? other : path.join(projectRoot, name);
}

export function fileOf(stack: string): string {
  return `Pulumi.${stack}.yaml`;
}

/** The committed config of a stack as plain values by `namespace:key`, unchecked. */
export function stackValues(stack: string): Record<string, unknown> {
  return valuesIn(fileIn(fileOf(stack)));
}

function valuesIn(file: string): Record<string, unknown> {
  return { ...projectDefaults(), ...readStackFile(file).config };
}

/** The config as the program will see it. `name` is what problems call the file. */
export function readStackConfig(file: string, name: string): StackConfig {
  const values = valuesIn(file);
  const parsed = parsePlatform(values, name);
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  return { config: parsed.value, hasApiKey: values["holysheep:apiKey"] !== undefined, file: name };
}

export function readStackFile(file: string): StackFile {
  return existsSync(file) ? read(stackFileSchema, file) : {};
}

const projectSchema = z.looseObject({
  main: z.string(),
  plugins: z.object({ providers: z.array(z.object({ name: z.string(), path: z.string() })) }),
  config: z.record(z.string(), z.object({ default: z.unknown().optional(), value: z.unknown().optional() })),
});

/** Pulumi.yaml. */
export function readProject(): z.output<typeof projectSchema> {
  return read(projectSchema, path.join(projectRoot, "Pulumi.yaml"));
}

/** What Pulumi.yaml says of every stack, by `namespace:key`. */
function projectDefaults(): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(readProject().config).map(([key, setting]) => [
      key.includes(":") ? key : `triton-platform:${key}`,
      setting.default ?? setting.value,
    ]),
  );
}

/** A YAML file of Pulumi's; what is wrong in it is the user's to mend. */
function read<S extends z.ZodType>(schema: S, file: string): z.output<S> {
  const parsed = parseYaml(schema, readFileSync(file, "utf8"), file);
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  return parsed.value;
}
