import { labels, ports, type ServiceName } from "../../core/docker/names.ts";
import { parseServersState, parseSessions, type RuntimeServer } from "../../core/haproxy/runtime.ts";
import type { DockerCli } from "./cli.ts";

/** The runtime API of a stack's balancer, which is open to processes of its container alone. */
export class BalancerApi {
  private constructor(
    private readonly docker: DockerCli,
    private readonly container: string,
  ) {}

  /** Undefined where none runs. */
  static async find(docker: DockerCli, stack: string): Promise<BalancerApi | undefined> {
    const service: ServiceName = "balancer";
    const [container] = await docker.find(
      { [labels.stack]: stack, [labels.service]: service },
      "status=running",
    );
    return container === undefined ? undefined : new BalancerApi(docker, container);
  }

  async servers(): Promise<readonly RuntimeServer[]> {
    return parseServersState(await this.#ask("show servers state"));
  }

  sessions(): Promise<ReadonlyMap<string, number>> {
    return this.#ask("show stat").then(parseSessions);
  }

  async order(...commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.#ask(commands.join("; "));
  }

  #ask(line: string): Promise<string> {
    const talk = `exec 3<>/dev/tcp/127.0.0.1/${String(ports.admin)}; cat >&3; cat <&3`;
    return this.docker.run(["exec", "--interactive", this.container, "bash", "-c", talk], `${line}\n`);
  }
}
