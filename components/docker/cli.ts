import { execa } from "execa";

/** What Docker's command line has refused, in its own words. */
export class DockerError extends Error {
  constructor(
    args: readonly string[],
    /** The last lines of what it said. */
    readonly words: string,
  ) {
    super(`docker ${args[0] ?? ""}: ${words}`);
    this.name = "DockerError";
    // The engine's SDK prints stacks of its providers' errors.
    this.stack = this.message;
  }
}

/** Docker's command line, which knows ssh:// and logins, on one host. */
export class DockerCli {
  constructor(readonly host: string) {}

  /** The whole command line, for who runs it by other means. */
  command(...args: readonly string[]): readonly string[] {
    return ["docker", "--host", this.host, ...args];
  }

  /** Runs a command and returns its standard output. `input` is its standard input: what is secret goes there. */
  async run(args: readonly string[], input?: string | AsyncIterable<Buffer>): Promise<string> {
    const [program = "", ...all] = this.command(...args);
    const { stdout, stderr, exitCode, originalMessage } = await execa(program, all, {
      ...(input === undefined
        ? { stdin: "ignore" as const }
        : typeof input === "string"
          ? { input }
          : { stdin: input }),
      reject: false,
      stripFinalNewline: false,
    });
    if (exitCode === 0) return stdout;
    throw new DockerError(args, lastWords(stderr) || (originalMessage ?? "it failed"));
  }

  /** The last lines of what a container has said, on standard output and error. */
  async logs(container: string, lines: number): Promise<string> {
    const [program = "", ...args] = this.command("logs", "--tail", String(lines), container);
    const { all } = await execa(program, args, { all: true, reject: false });
    return all;
  }

  /** Ids of the containers with all of these labels, running or not. */
  async find(labels: Readonly<Record<string, string>>, ...filters: readonly string[]): Promise<string[]> {
    const wanted = [...Object.entries(labels).map(([key, value]) => `label=${key}=${value}`), ...filters];
    const listed = await this.run([
      "ps",
      "--all",
      "--quiet",
      "--no-trunc",
      ...wanted.flatMap((each) => ["--filter", each]),
    ]);
    return listed.split("\n").filter(Boolean);
  }
}

/** Hints to read the manual are none. */
function lastWords(stderr: string): string {
  return stderr
    .split("\n")
    .map((line) => line.trim().replace(/^docker: /, ""))
    .filter((line) => line !== "" && !/^(Run '|See ')/.test(line))
    .slice(-3)
    .join(" ");
}
