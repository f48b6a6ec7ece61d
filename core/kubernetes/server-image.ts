import { createHash } from "node:crypto";
import type { Parsed } from "../spec/parse.ts";
import type { Problem } from "../spec/problem.ts";

/**
 * Triton's image with the models' Python packages in it, as a build of which all inputs are here. Built twice it holds the
 * same packages, but files have the times of the build: the digest is another one.
 */
export interface ServerImageBuild {
  /** All files of the build context; nothing else of the machine that builds reaches the image. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  /** Arguments of the build. */
  readonly args: Readonly<Record<string, string>>;
  /** Hash of all of the above: another tag, another image. */
  readonly tag: string;
}

export interface ServerImageInputs {
  /** The image below, with a tag or a digest. */
  readonly base: string;
  /** Path of the pip requirements, for problems. */
  readonly file: string;
  /** What is in it; undefined where it could not be read. */
  readonly requirements: string | undefined;
}

/**
 * Plans the build, or says all that is wrong with the requirements: each must name one version, so that what was tested
 * is what is built. With hashes on them pip verifies each file; pip then wants hashes on all.
 */
export function serverImageBuild({ base, file, requirements }: ServerImageInputs): Parsed<ServerImageBuild> {
  if (requirements === undefined) {
    return {
      problems: [
        {
          file,
          path: "",
          message: "these requirements cannot be read",
          hint: "create the file, or correct `serverImage.requirements` in the stack's config",
        },
      ],
    };
  }
  const lines = logicalLines(requirements);
  const problems = requirementProblems(lines, file);
  if (problems.length > 0) return { problems };
  const files = [
    { path: "Dockerfile", content: serverDockerfile({ base, hashed: lines.some(hasHash) }) },
    // A checkout on Windows gives the same image.
    { path: requirementsPath, content: requirements.replaceAll("\r\n", "\n") },
  ];
  return { value: { files, args: buildArgs, tag: hash({ files, args: buildArgs }) } };
}

const requirementsPath = "requirements.txt";

/** 1980-01-01, the first date that a ZIP file, and so a wheel built here, can have. */
const buildArgs = { SOURCE_DATE_EPOCH: "315532800" } as const;

/** User of Triton's images: `triton-server`. */
const tritonUser = 1000;

/**
 * A Dockerfile for BuildKit's own front end. No byte code is written, since it holds times. Without hashes exactly what
 * is listed is installed; the second call then fails, saying which, where a package that it needs is neither listed nor in
 * the image below.
 */
function serverDockerfile({ base, hashed }: { readonly base: string; readonly hashed: boolean }): string {
  const target = "/tmp/requirements.txt";
  const mount = `--mount=type=bind,source=${requirementsPath},target=${target}`;
  const install = `python3 -m pip install --no-cache-dir --no-compile --requirement ${target}`;
  const steps = hashed ? [`${install} --require-hashes`] : [`${install} --no-deps`, `${install} --no-index`];
  return [
    `FROM ${base}`,
    "ARG SOURCE_DATE_EPOCH",
    // Python is the system's own in newer images (PEP 668): it has no other user there.
    "ARG PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore",
    "USER root",
    `RUN ${mount} \\`,
    `    ${steps.join(" \\\n && ")}`,
    `USER ${String(tritonUser)}`,
    "",
  ].join("\n");
}

interface RequirementLine {
  /** From 1, where it begins. */
  readonly line: number;
  /** Without comments and ends of lines. */
  readonly text: string;
}

/** Lines as pip reads them: a backslash at the end goes on, and a comment begins the line or follows a space. */
function logicalLines(requirements: string): RequirementLine[] {
  const joined: { line: number; text: string }[] = [];
  let goesOn = false;
  for (const [i, physical] of requirements.split(/\r?\n/).entries()) {
    const last = joined.at(-1);
    // A comment is never joined to what follows, but ends what went before.
    const isComment = /^\s*#/.test(physical);
    const continues: boolean = physical.endsWith("\\") && !isComment;
    const text = continues ? physical.slice(0, -1) : isComment ? ` ${physical}` : physical;
    if (goesOn && last !== undefined) last.text += text;
    else joined.push({ line: i + 1, text });
    goesOn = continues;
  }
  return joined
    .map(({ line, text }) => ({ line, text: text.replace(/(^|\s+)#.*$/, "").trim() }))
    .filter(({ text }) => text !== "");
}

/** `name[extras]==version`, then perhaps a marker and hashes; `==1.*` is no version. */
const pinned =
  /^[a-z0-9](?:[\w.-]*[a-z0-9])?\s*(?:\[[\w\s,.-]*\])?\s*={2,3}\s*[\w.!+-]*\w\s*(?:;[^;]+?)?(?:\s--hash=sha(?:256|384|512):[0-9a-f]+)*$/i;

/** A file at a URL, held by its hash. */
const pinnedUrl =
  /^[a-z0-9](?:[\w.-]*[a-z0-9])?\s*(?:\[[\w\s,.-]*\])?\s*@\s*https:\/\/\S+\s*(?:;[^;]+?)?(?:\s--hash=sha(?:256|384|512):[0-9a-f]+)+$/i;

/** Options that change where packages come from or in which form, but bring in nothing by themselves. */
const harmlessOption =
  /^(?:-i|--index-url|--extra-index-url|--only-binary|--no-binary|--prefer-binary|--require-hashes)(?:[\s=]|$)/;

function requirementProblems(lines: readonly RequirementLine[], file: string): Problem[] {
  const requirements = lines.filter(({ text }) => !text.startsWith("-"));
  const wantsHashes = lines.some(hasHash) || lines.some(({ text }) => text.startsWith("--require-hashes"));
  const report = (line: number, message: string, hint: string): Problem => ({
    file,
    path: "",
    line,
    message,
    hint,
  });
  return [
    ...(requirements.length === 0
      ? [report(1, "there is no requirement", "list a package, or remove serverImage")]
      : []),
    ...lines.flatMap(({ line, text }) => {
      if (text.startsWith("-")) {
        return harmlessOption.test(text)
          ? []
          : [
              report(
                line,
                `\`${text}\` brings in what this file does not show`,
                "write the packages themselves here: the build has this file alone",
              ),
            ];
      }
      if (!pinned.test(text) && !pinnedUrl.test(text)) {
        return [
          report(
            line,
            `\`${text}\` is not pinned to one version`,
            "write name==version, or let `pip-compile --generate-hashes` write the whole file",
          ),
        ];
      }
      return wantsHashes && !hasHash({ line, text })
        ? [
            report(
              line,
              `\`${text}\` has no hash, and others have: pip wants all or none`,
              "let `pip-compile --generate-hashes` write the whole file",
            ),
          ]
        : [];
    }),
  ];
}

function hasHash({ text }: RequirementLine): boolean {
  return !text.startsWith("-") && text.includes("--hash=");
}

/** Fields are in the order in which this file writes them. */
function hash(inputs: Pick<ServerImageBuild, "files" | "args">): string {
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex");
}
