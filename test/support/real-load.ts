import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { projectRoot, venvPython } from "./tools.ts";

/** Where a platform is called. */
export interface Entrance {
  /** The balancer's address. */
  readonly host: string;
  /** Left out: it speaks without TLS. */
  readonly tls?: {
    /** Its name in the certificate. */
    readonly name: string;
    /** PEM file of who signed that. */
    readonly authorities: string;
  };
}

const countsSchema = z.record(z.enum(["http", "grpc", "llm", "llm-grpc"]), z.record(z.string(), z.number()));
/** Calls by what came of them, for each kind of client. */
export type Counts = z.output<typeof countsSchema>;

/** Clients of a platform that call without end, over HTTP and gRPC; see real-load.py. */
export class Load {
  private constructor(
    private readonly write: (line: string) => void,
    private readonly read: () => Promise<unknown>,
  ) {}

  /** Returns once each kind of client has had an answer. `through`: what the clients' command begins with. */
  static async start(entrance: Entrance, key: string, through: readonly string[] = []): Promise<Load> {
    const script = path.join(projectRoot, "test", "support", "real-load.py");
    const clients = execa("env", [...through, venvPython.program ?? "python3", script]);
    const lines = clients.iterable()[Symbol.asyncIterator]();
    const load = new Load(
      (line) => {
        clients.stdin.write(`${line}\n`);
      },
      async () => {
        const line: { readonly value: unknown } = await lines.next();
        return line.value;
      },
    );
    // On standard input: a key has no place in a process list.
    load.write(JSON.stringify({ ...entrance, key }));
    if ((await load.read()) !== "ready") throw new Error("no client of the load got an answer");
    return load;
  }

  async stop(): Promise<Counts> {
    this.write("stop");
    return countsSchema.parse(JSON.parse(String(await this.read())));
  }
}
