import { messageOf } from "../../../core/errors.ts";
import { ports } from "../../../core/kubernetes/names.ts";
import type { ContainerHost, ReplicaContainer } from "./container-hosts.ts";
import { ContainerSession } from "./container-session.ts";
import { metricsPath, type Replica, type Replicas } from "./replicas.ts";

/**
 * Runs work that asks the replicas of these groups, each by a session in its container, and ends the sessions afterwards.
 * Groups that cannot be asked at the begin have none, and there is one note of why.
 */
export async function withContainers<T>(
  host: ContainerHost,
  servers: readonly string[],
  note: (text: string) => void,
  work: (replicas: Replicas) => Promise<T>,
): Promise<T> {
  const sessions = new Sessions(host);
  try {
    const failures = new Map<string, string>();
    for (const server of servers)
      await sessions.find(server).catch((error: unknown) => failures.set(server, messageOf(error)));
    const [why] = failures.values();
    if (why !== undefined)
      note(
        `Triton's own metrics of ${[...failures.keys()].join(", ")} cannot be read: ${why}\n` +
          `  → points have no queue and compute times, and no GPUs; ${host.hint}`,
      );
    return await work({
      of: (server) => sessions.of(server),
      find: (server) =>
        // What could not be asked at the begin is not asked after each point.
        failures.has(server) ? Promise.resolve([]) : sessions.find(server).catch(() => []),
    });
  } finally {
    await sessions.end();
  }
}

/** Of one group. Each is a program on this machine with some tens of MB, for as long as a benchmark. */
const mostReplicas = 32;
/** Sessions that begin at a time: a cluster on AWS wants a program for each login, and SSH lets in ten at once. */
const atOnce = 4;

interface Asked {
  /** Of its container. */
  readonly name: string;
  readonly replica: Replica;
  readonly session: ContainerSession;
}

/** Sessions in the containers of replicas, which begin and end as these come and go. */
class Sessions {
  readonly #groups = new Map<string, readonly Asked[]>();
  readonly #finding = new Map<string, Promise<readonly Replica[]>>();
  #begun = 0;

  constructor(private readonly host: ContainerHost) {}

  of(server: string): readonly Replica[] {
    return (this.#groups.get(server) ?? []).map(({ replica }) => replica);
  }

  /** The series of a mix look at the same time, which is once. */
  find(server: string): Promise<readonly Replica[]> {
    const finding =
      this.#finding.get(server) ?? this.#find(server).finally(() => this.#finding.delete(server));
    this.#finding.set(server, finding);
    return finding;
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#finding.values());
    await endAll([...this.#groups.values()].flat());
  }

  async #find(server: string): Promise<readonly Replica[]> {
    const known = this.#groups.get(server) ?? [];
    this.#groups.delete(server);
    const begun: Asked[] = [];
    try {
      const containers = await this.host.list(server);
      if (containers.length > mostReplicas)
        throw new Error(
          `it has ${String(containers.length)} replicas, and ${String(mostReplicas)} are asked at most`,
        );
      const kept = known.filter(
        ({ name, session }) => !session.isOver && containers.some((container) => container.name === name),
      );
      const others = containers.filter(({ name }) => kept.every((asked) => asked.name !== name));
      for (let i = 0; i < others.length; i += atOnce) {
        const some = others.slice(i, i + atOnce).map((container) => this.#begin(container));
        begun.push(...some);
        await Promise.all(some.map(({ replica }) => replica.get("metrics", metricsPath)));
      }
      this.#groups.set(server, [...kept, ...begun]);
      return this.of(server);
    } finally {
      const now = this.#groups.get(server) ?? [];
      await endAll([...known, ...begun].filter((asked) => !now.includes(asked)));
    }
  }

  #begin({ name, command }: ReplicaContainer): Asked {
    const session = new ContainerSession(command);
    this.#begun += 1;
    return {
      ...{ name, session },
      replica: {
        name: `${name}/${String(this.#begun)}`,
        // They are the same in pods and in Docker's containers.
        get: (port, path) => session.get(ports[port], path),
      },
    };
  }
}

async function endAll(sessions: readonly Pick<Asked, "session">[]): Promise<void> {
  await Promise.all(sessions.map(({ session }) => session.end()));
}
