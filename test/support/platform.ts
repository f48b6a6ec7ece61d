import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import yaml from "js-yaml";
import * as z from "zod";
import { isFree } from "../../components/local/ports.ts";

export const root = path.resolve(import.meta.dirname, "..", "..");

const statusSchema = z.object({
  endpoints: z
    .object({
      http: z.string(),
      grpc: z.string(),
      metrics: z.string(),
      prometheus: z.string(),
      grafana: z.string().optional(),
    })
    .nullable(),
  servers: z.array(
    z.object({
      name: z.string(),
      replica: z.number(),
      pid: z.number().nullable(),
      ready: z.boolean(),
      models: z.array(z.string()),
    }),
  ),
});

export type Status = z.output<typeof statusSchema>;

export interface Answer {
  readonly code: number;
  /** Standard output and error, in the order they came. */
  readonly text: string;
}

/** A platform of a test's own: folders, ports and stack apart from those of the checkout. */
export class TestPlatform {
  readonly home = mkdtempSync(path.join(tmpdir(), "tp-"));
  readonly directory = path.join(this.home, "run");
  readonly models = path.join(this.home, "models");
  readonly stackFile = path.join(this.home, "pulumi", "Pulumi.local.yaml");
  readonly ports: Readonly<Record<string, number>>;
  /** Folder whose programs are found before the system's. */
  readonly bin = path.join(this.home, "bin");

  private constructor(ports: Readonly<Record<string, number>>) {
    this.ports = ports;
    cpSync(path.join(root, "models"), this.models, { recursive: true });
    this.configure({
      "triton-platform:models": this.models,
      "triton-platform:local": this.local,
    });
  }

  static async create(): Promise<TestPlatform> {
    const [first = 0] = await freePorts(1, 80);
    return new TestPlatform({
      httpPort: first,
      grpcPort: first + 1,
      metricsPort: first + 2,
      prometheusPort: first + 3,
      simulatorPort: first + 4,
      serverGrpcPorts: first + 5,
      replicaPorts: first + 10,
    });
  }

  /** The section of this machine, without a Grafana that happens to be on it. */
  get local(): Readonly<Record<string, unknown>> {
    return { directory: this.directory, ...this.ports, grafana: { enabled: false } };
  }

  /** Sets keys of this machine's stack, as `pulumi config set` would; undefined takes one away. */
  configure(values: Readonly<Record<string, unknown>>): void {
    mkdirSync(path.dirname(this.stackFile), { recursive: true });
    let document: { config?: Record<string, unknown> } = {};
    try {
      document = z
        .looseObject({ config: z.record(z.string(), z.unknown()) })
        .parse(yaml.load(readFileSync(this.stackFile, "utf8")));
    } catch {
      // There is none yet.
    }
    writeFileSync(this.stackFile, yaml.dump({ ...document, config: { ...document.config, ...values } }));
  }

  /** Runs one of the project's commands as a user does. */
  async run(command: string, ...args: string[]): Promise<Answer> {
    const { all, exitCode } = await execa(
      process.execPath,
      [path.join(root, "commands", "run.mjs"), command, ...args],
      {
        cwd: root,
        env: {
          TRITON_PLATFORM_HOME: this.home,
          PATH: [this.bin, process.env.PATH ?? ""].join(path.delimiter),
        },
        stdin: "ignore",
        reject: false,
        all: true,
      },
    );
    return { code: exitCode ?? -1, text: all };
  }

  async status(): Promise<Status> {
    return statusSchema.parse(JSON.parse((await this.run("status", "--json")).text));
  }

  /** Puts a stand-in for Grafana where it is found, and has it run; returns where it will be. */
  installGrafana(): string {
    const home = path.join(this.home, "grafana");
    mkdirSync(path.join(home, "bin"), { recursive: true });
    mkdirSync(path.join(home, "conf"));
    writeFileSync(path.join(home, "conf", "defaults.ini"), "");
    const program = path.join(root, "test", "support", "grafana.ts");
    const script = `#!/bin/sh\ncd ${root} && exec ${process.execPath} --import tsx ${program} "$@"\n`;
    writeFileSync(path.join(home, "bin", "grafana"), script, { mode: 0o755 });
    symlinkSync(path.join(home, "bin"), this.bin);
    const port = (this.ports.httpPort ?? 0) + 79;
    this.configure({ "triton-platform:local": { ...this.local, grafana: { port } } });
    return `http://127.0.0.1:${String(port)}`;
  }

  /** Changes a text file of a model. */
  edit(file: string, change: (text: string) => string): void {
    const full = path.join(this.models, file);
    writeFileSync(full, change(readFileSync(full, "utf8")));
  }

  url(rest: string): string {
    return `http://127.0.0.1:${String(this.ports.httpPort)}${rest}`;
  }

  async remove(): Promise<void> {
    await this.run("stop");
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** The first of `count` ranges of free ports on the loopback address, each `length` long. */
export async function freePorts(count: number, length: number): Promise<number[]> {
  const found: number[] = [];
  for (let attempt = 0; found.length < count && attempt < 200; attempt += 1) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const range = Array.from({ length }, (_, i) => first + i);
    const free = await Promise.all(range.map(isFree));
    const apart = found.every((other) => Math.abs(other - first) >= length);
    if (apart && free.every(Boolean)) found.push(first);
  }
  if (found.length < count) throw new Error("there are no free ports");
  return found;
}

/** A request of one row of text to a model over HTTP. */
export async function infer(
  url: string,
  input: string,
  text: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ inputs: [{ name: input, datatype: "BYTES", shape: [1, 1], data: [text] }] }),
  });
}
