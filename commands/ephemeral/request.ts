import path from "node:path";
import { parseArgs } from "node:util";
import { lifetimeHint, parseLifetime } from "../../core/ephemeral/lifetime.ts";
import { isInS3 } from "../../core/ephemeral/results.ts";
import { usualCeiling } from "../../core/ephemeral/spend.ts";
import { commandLine as benchLine } from "../../core/benchmark/load-options.ts";
import { tagValueSchema } from "../../core/spec/eks.ts";
import { parseValue } from "../../core/spec/parse.ts";
import { ProblemsError, type Problem } from "../../core/spec/problem.ts";
import { askedBench, benchOptions, type AskedBench } from "../bench/load/asked.ts";
import { readKeyFile } from "../files/key-file.ts";
import { userPath } from "../files/user-path.ts";
import { UserError } from "../setup/user-error.ts";
import { placeProblem } from "./results.ts";

/** What problems call the place of a mistake. */
export const commandLine = "npm run bench:cluster";

export const help = `A cluster on AWS for one benchmark: npm run bench:cluster -- --ttl 2h --owner <who> [options] [-- options of npm run bench]
  --ttl <time>            how long the cluster may live: 45m to 72h; the benchmark is cut off then
  --owner <who>           who answers for it: the tag \`owner\`
  --max-cost <dollars>    refuses what may cost more. Default: ${String(usualCeiling)}
  --keep-results <place>  a folder, or s3://bucket/prefix; more than one may be given. Default: benchmarks
  --template <stack>      whose config the cluster has: Pulumi.<stack>.yaml. Default: bench
  --holysheep-key-file <file>  holds the key of HolySheep's API and nothing else; needed where models call it
  --secrets-provider <p>  of the stack, as \`pulumi stack init\` takes it. Default: the backend's own
  --dry-run               shows what it would cost, and makes nothing`;

const options = {
  ttl: { type: "string" },
  owner: { type: "string" },
  "max-cost": { type: "string", default: String(usualCeiling) },
  "keep-results": { type: "string", multiple: true },
  template: { type: "string", default: "bench" },
  "holysheep-key-file": { type: "string" },
  "secrets-provider": { type: "string" },
  "dry-run": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** A command line as it was typed, with all that is wrong with it. What is wrong has a usual value, so that the rest can be judged. */
export interface BenchmarkRequest {
  readonly isHelp: boolean;
  readonly isDryRun: boolean;
  readonly template: string;
  readonly owner: string;
  /** Milliseconds. */
  readonly lifetime: number;
  /** USD. */
  readonly ceiling: number;
  /** Folders and `s3://bucket/prefix`. */
  readonly keep: readonly string[];
  /** Of HolySheep's API. */
  readonly apiKey?: string | undefined;
  readonly secretsProvider?: string | undefined;
  /** What is measured, on the template's stack; undefined where its options are wrong. */
  readonly bench?: AskedBench | undefined;
  /** Options of `npm run bench` as they were typed. */
  readonly benchArgs: readonly string[];
  readonly problems: readonly Problem[];
}

export function readRequest(args: readonly string[]): BenchmarkRequest {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
  const problems: Problem[] = [];
  const report = (option: keyof typeof options, message: string, hint: string): void => {
    problems.push({ file: commandLine, path: `--${option}`, message, hint });
  };
  const { template } = values;
  if (/[/\\]|\.ya?ml$/.test(template))
    report(
      "template",
      `\`${template}\` is a file's path, and a template is named as a stack`,
      "write --template bench for the project's Pulumi.bench.yaml",
    );
  const keep = (values["keep-results"] ?? ["benchmarks"]).map((place) =>
    isInS3(place) ? place : path.resolve(userPath(place)),
  );
  for (const place of keep) {
    const problem = placeProblem(place);
    if (problem !== undefined) report("keep-results", problem.message, problem.hint);
  }
  const keyFile = values["holysheep-key-file"];
  const apiKey =
    keyFile === undefined
      ? undefined
      : gathering(problems, { file: commandLine, path: "--holysheep-key-file" }, () =>
          readKeyFile(userPath(keyFile), "write the key of HolySheep's API into it, and nothing else"),
        );
  return {
    ...{ isHelp: values.help, isDryRun: values["dry-run"], template, keep, apiKey },
    owner: ownerFrom(values.owner, report),
    lifetime: lifetimeFrom(values.ttl, report),
    ceiling: ceilingFrom(values["max-cost"], report),
    secretsProvider: values["secrets-provider"],
    bench: gathering(problems, { file: benchLine, path: "" }, () => benchFrom(positionals, template)),
    benchArgs: positionals,
    problems,
  };
}

/** What work comes to; undefined where it is refused, with what is wrong added to `problems`, at a place unless it names its own. */
export function gathering<T>(
  problems: Problem[],
  at: Pick<Problem, "file" | "path">,
  work: () => T,
): T | undefined {
  try {
    return work();
  } catch (error) {
    problems.push(...problemsIn(error, at));
    return undefined;
  }
}

/** What an error tells a user to mend; any other is thrown. */
export function problemsIn(error: unknown, at: Pick<Problem, "file" | "path">): readonly Problem[] {
  if (error instanceof ProblemsError) return error.problems;
  if (error instanceof UserError) return [{ ...at, message: error.message, hint: error.hint }];
  // node:util's parseArgs: an option that there is not, or without its value.
  if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"))
    return [{ ...at, message: error.message, hint: "its options: npm run bench -- --help" }];
  throw error;
}

type Report = (option: keyof typeof options, message: string, hint: string) => void;

const missing = "missing: a cluster costs money until somebody ends it";

function ownerFrom(text: string | undefined, report: Report): string {
  if (text === undefined) {
    report("owner", missing, "write who answers for it, like --owner ml-platform");
    return "nobody";
  }
  const parsed = parseValue(tagValueSchema, text, commandLine);
  if ("value" in parsed) return parsed.value;
  for (const { message, hint } of parsed.problems) report("owner", `\`${text}\`: ${message}`, hint);
  return "nobody";
}

function lifetimeFrom(text: string | undefined, report: Report): number {
  const parsed =
    text === undefined ? { problem: { message: missing, hint: lifetimeHint } } : parseLifetime(text);
  if ("value" in parsed) return parsed.value;
  report("ttl", parsed.problem.message, parsed.problem.hint);
  return 3_600_000;
}

function ceilingFrom(text: string, report: Report): number {
  const ceiling = Number(text);
  if (ceiling > 0) return ceiling;
  report("max-cost", `\`${text}\` is no amount of dollars`, "write it like --max-cost 200");
  return Infinity;
}

/** What bench:cluster says itself. */
const ownOptions: readonly string[] = ["target", "in-cluster", "out", "dry-run", "help"];

/** By the same code as `npm run bench`, so that no cluster is made for what that refuses. */
function benchFrom(args: readonly string[], template: string): AskedBench {
  const { values, tokens } = parseArgs({ args: [...args], options: benchOptions, tokens: true });
  const taken = tokens.flatMap((token) =>
    token.kind === "option" && ownOptions.includes(token.name) ? [token.rawName] : [],
  );
  if (taken.length > 0)
    throw new UserError(
      `${taken.join(", ")}: this is bench:cluster's to say`,
      "leave it out; its own options are before the --",
    );
  return askedBench({ ...values, target: template, "in-cluster": true, "dry-run": true });
}
