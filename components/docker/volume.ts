import { DockerCli } from "./cli.ts";

/** A volume of a Docker host, and where it is worked on. */
export interface VolumePlace {
  /** Docker's address. */
  readonly host: string;
  /** Docker's name of the volume. */
  readonly volume: string;
  /** An image with a shell. */
  readonly image: string;
}

/** A volume of a host, local or not, while a container without a network holds it. */
export class OpenVolume {
  private constructor(
    private readonly docker: DockerCli,
    private readonly helper: string,
    private readonly folder: string,
  ) {}

  /** Works on a volume, which the shell's commands have at `folder`. */
  static async use<T>(
    { host, volume, image }: VolumePlace,
    work: (volume: OpenVolume) => Promise<T>,
    folder = "/volume",
  ): Promise<T> {
    const docker = new DockerCli(host);
    const args = ["--detach", "--rm", "--network=none", "--user=0:0", `--volume=${volume}:${folder}`];
    // What a killed run leaves behind ends by itself.
    const started = await docker.run(["run", ...args, "--entrypoint=sleep", image, "21600"]);
    const helper = started.trim();
    try {
      return await work(new OpenVolume(docker, helper, folder));
    } finally {
      await docker.run(["rm", "--force", helper]);
    }
  }

  /** Runs a shell script in the volume's folder; its arguments are `$1`, `$2` … */
  shell(
    script: string,
    args: readonly string[] = [],
    input: string | AsyncIterable<Buffer> = "",
  ): Promise<string> {
    const command = ["sh", "-euc", `umask 022; cd '${this.folder}'; ${script}`, "sh", ...args];
    return this.docker.run(["exec", "--interactive", this.helper, ...command], input);
  }
}
