import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { clusterProblem } from "../../commands/setup/cluster.ts";
import { findProgram } from "../../commands/setup/find-program.ts";
import { withLock } from "../../commands/setup/lock.mjs";
import { sha256 } from "../../core/spec/artifacts.ts";
import { removeTree } from "./cluster-remains.ts";
import { waitFor } from "./cluster.ts";
import { bootstrap, debianSource, trimmed } from "./debian.ts";
import { projectRoot } from "./tools.ts";

const programs = ["dockerd", "docker", "docker-registry", "debootstrap", "ip", "unshare"];

/** What this machine lacks for a `DockerHost`; empty where nothing is missing. */
export const missingForDocker: readonly string[] = [
  ...[clusterProblem()].flatMap((problem) => problem ?? []),
  ...programs.filter((name) => findProgram(name) === undefined),
];

/** The registry's account, as `htpasswd -B` writes it. */
const account = { name: "test", password: "test" };
const accountFile = "test:$2b$04$/ON5k1iiQp3OB885RB7H/eGf9Lst7X06pBaD8S5FTiCq49emcSCdi\n";

/**
 * Docker and a registry that wants a login, in namespaces of their own: networks, mounts, firewall rules and data are
 * theirs and go with them, and the registry is at the loopback address that only its Docker sees. Both end with this
 * process, however it ends. Starts in two seconds.
 */
export class DockerHost {
  /** Where images are pushed to, with a repository appended. */
  readonly registry = `127.0.0.1:${String(registryPort)}`;
  readonly #directory = mkdtempSync(path.join(tmpdir(), "tp-docker-"));
  readonly #group = path.basename(this.#directory);
  readonly #namespaces: ReturnType<typeof startNamespaces>;

  private constructor() {
    writeFileSync(path.join(this.#directory, "accounts"), accountFile);
    writeFileSync(path.join(this.#directory, "registry.yml"), registryConfig(this.#directory));
    mkdirSync(this.#programs);
    this.#namespaces = startNamespaces(this.#directory, this.#group, this.#programs);
  }

  /** A folder that this Docker has first on PATH. */
  get #programs(): string {
    return path.join(this.#directory, "programs");
  }

  /** Has a login for the registry, as after `docker login`, and no GPUs. */
  static async start(): Promise<DockerHost> {
    const host = new DockerHost();
    try {
      const { name, password } = account;
      const login = ["login", "--username", name, "--password-stdin", host.registry];
      // Docker asks the registry itself: both must be there.
      await waitFor("Docker and its registry", () => host.docker(login, password), { timeout: 30_000 });
    } catch (error) {
      const log = path.join(host.#directory, "dockerd.log");
      const said = existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : "";
      await host.stop();
      throw new Error(`Docker did not start: ${said}`, { cause: error });
    }
    return host;
  }

  /** Environment of what is to use this Docker with its login. */
  get env(): { readonly DOCKER_HOST: string; readonly DOCKER_CONFIG: string } {
    return {
      DOCKER_HOST: `unix://${path.join(this.#directory, "docker.sock")}`,
      DOCKER_CONFIG: path.join(this.#directory, "login"),
    };
  }

  /**
   * A folder for PATH whose `ssh` reaches this Docker, whoever and whatever machine it is called for: what Docker's clients do
   * over ssh:// without a server of ssh.
   */
  standInForSsh(): string {
    const folder = path.join(this.#directory, "ssh");
    mkdirSync(folder);
    // Options, user and machine come before the command, which is one word or several.
    const script = `#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nDOCKER_HOST=${this.env.DOCKER_HOST} exec sh -c "$*"\n`;
    writeFileSync(path.join(folder, "ssh"), script, { mode: 0o755 });
    return folder;
  }

  /** What a command begins with that is to reach what containers publish on this Docker's loopback address. */
  get inside(): readonly string[] {
    return ["nsenter", "--target", String(this.#namespaces.pid ?? ""), "--net"];
  }

  /**
   * Brings a stand-in for NVIDIA's container toolkit, and starts this Docker again, as its installation asks for. `cards` is what
   * `nvidia-smi -L` says on the host. There are no devices: containers see their cards, and can do nothing with them.
   */
  async installToolkit(cards: string): Promise<void> {
    // As Docker looks for it. Source: moby/moby, daemon/nvidia_linux.go.
    const hook = path.join(this.#programs, "nvidia-container-runtime-hook");
    copyFileSync(path.join(projectRoot, "test", "support", "container_toolkit_hook.py"), hook);
    writeFileSync(path.join(this.#programs, "nvidia-smi.txt"), cards);
    const ended = this.#namespaces.iterable()[Symbol.asyncIterator]().next();
    this.#namespaces.stdin.write("restart\n");
    await ended;
    await waitFor("Docker", () => this.docker(["version"]), { timeout: 30_000 });
  }

  /** Ends a process of a container at once, as the kernel does without memory; `pid` as `docker inspect` has it. */
  async kill(pid: number): Promise<void> {
    // Others than processes of their own would be this process's group, or all there are.
    if (pid <= 1) throw new Error("what does not run cannot be killed");
    const processes = `--pid=/proc/${String(this.#namespaces.pid ?? "")}/ns/pid_for_children`;
    await execa("nsenter", [processes, "kill", "-KILL", String(pid)]);
  }

  /** Makes an image of another: with files of this machine by their places in it, and folders by their owners. */
  async build(
    name: string,
    base: string,
    files: Readonly<Record<string, string>> = {},
    folders: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const context = path.join(this.#directory, "context");
    mkdirSync(context);
    try {
      const copies = Object.entries(files).map(([place, file], i) => {
        copyFileSync(file, path.join(context, String(i)));
        return `COPY ${String(i)} ${place}\n`;
      });
      const made = Object.entries(folders).map(
        ([place, owner]) => `RUN install --directory --owner ${String(owner)} ${place}\n`,
      );
      const steps = [`FROM ${base}\n`, `LABEL made-as=${name}\n`, ...copies, ...made];
      writeFileSync(path.join(context, "Dockerfile"), steps.join(""));
      await this.docker(["build", "--quiet", "--tag", name, context]);
    } finally {
      rmSync(context, { recursive: true });
    }
  }

  /** Runs Docker's command line and returns its standard output. */
  async docker(args: readonly string[], input = ""): Promise<string> {
    const { stdout } = await execa("docker", args, { env: this.env, input });
    return stdout;
  }

  /**
   * Pushes a small Debian with Python and pip, whose only index is the folder `wheels`, and returns the image's name. No
   * network is needed, but for Debian's packages from nothing: a minute, then they are kept.
   */
  async pushPython(repository: string, wheels: string): Promise<string> {
    const name = `${this.registry}/${repository}:1`;
    const [above, folder] = [path.dirname(wheels), path.basename(wheels)];
    const index = `ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/${folder}`;
    const parts = ["--directory", await debianRoot(), ".", "--directory", above, folder];
    await execa("tar", ["--create", ...parts], { buffer: false }).pipe(
      "docker",
      ["import", "--change", index, "-", name],
      { env: this.env },
    );
    await this.docker(["push", "--quiet", name]);
    // What is built on it is to get it from the registry.
    await this.docker(["image", "rm", name]);
    return name;
  }

  async stop(): Promise<void> {
    this.#namespaces.stdin.destroy();
    await this.#namespaces;
    await removeGroups(this.#group);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const registryPort = 5000;

function startNamespaces(directory: string, group: string, programs: string) {
  const namespaces = ["--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"];
  return execa("unshare", [...namespaces, "sh", "-euc", startScript, "sh", directory, group], {
    stdin: "pipe",
    reject: false,
    env: { PATH: [programs, systemPath()].join(path.delimiter) },
  });
}

/**
 * The first process of its namespaces: all others, mounts and networks end with it. It ends when nobody holds its
 * standard input any more; a line there starts Docker again, and is answered when the old one has ended. containerd's shims
 * keep their sockets below /run, and Docker its key in /etc/docker.
 */
const startScript = `
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/docker
ip link set lo up
docker-registry serve "$1/registry.yml" > "$1/registry.log" 2>&1 &
while
  dockerd --data-root /run/docker-data --exec-root /run/docker-exec --pidfile /run/dockerd.pid \\
    --host "unix://$1/docker.sock" --cgroup-parent "$2" > "$1/dockerd.log" 2>&1 &
  daemon=$!
  read -r _
do
  kill "$daemon"
  wait "$daemon" || true
  echo ended
done
`;

function registryConfig(directory: string): string {
  return `version: 0.1
storage: { filesystem: { rootdirectory: /run/registry } }
http: { addr: "127.0.0.1:${String(registryPort)}" }
auth: { htpasswd: { realm: test, path: ${path.join(directory, "accounts")} } }
`;
}

/** Docker looks for containerd, runc and iptables on PATH alone; they lie where only root's has folders. */
function systemPath(): string {
  return [process.env.PATH ?? "", "/usr/local/sbin", "/usr/sbin", "/sbin"].join(path.delimiter);
}

/** Control groups outlive the processes they were made for. */
async function removeGroups(name: string): Promise<void> {
  const groups = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", `*/${name}*`];
  await execa("find", [...groups, "-exec", "rmdir", "{}", "+"]);
}

const packages = ["python3", "python3-pip"];

function debianRoot(): Promise<string> {
  return withLock("docker-image", projectRoot, async () => {
    const source = await debianSource();
    const cache = path.join(projectRoot, ".local", "cache", "docker-image");
    const key = sha256(JSON.stringify([source.suite, packages, trimmed])).slice(0, 16);
    const root = path.join(cache, `debian-${key}`);
    if (existsSync(root)) return root;
    await removeTree(cache);
    mkdirSync(cache, { recursive: true });
    const made = path.join(cache, "work");
    await bootstrap(findProgram("debootstrap") ?? "debootstrap", source, packages, made);
    renameSync(made, root);
    return root;
  });
}
