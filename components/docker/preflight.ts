import type { PublishedPort } from "../../core/docker/container.ts";
import { hostGpuProblems, parseGpuList } from "../../core/docker/gpus.ts";
import { labels } from "../../core/docker/names.ts";
import type { DockerPlan } from "../../core/docker/plan.ts";
import type { DockerConfig } from "../../core/spec/docker.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { DockerCli, DockerError } from "./cli.ts";

export interface PreflightOptions {
  readonly plan: DockerPlan;
  readonly docker: DockerConfig;
  /** The stack's own name. */
  readonly stack: string;
  /** Name of the stack's config file, for problems. */
  readonly file: string;
}

type Report = (setting: string, message: string, hint: string) => Problem;

/**
 * What the host itself has against the plan: it does not answer, has not these GPUs or no toolkit for them, cannot have an
 * image, or a port is taken. Asked before anything is changed; where Docker does not answer, that is all that is told.
 * Ports and GPUs are asked by containers that end at once, since only the host's own Docker knows.
 */
export async function hostProblems({ plan, docker, stack, file }: PreflightOptions): Promise<Problem[]> {
  const cli = new DockerCli(docker.host);
  const report: Report = (setting, message, hint) => ({
    file,
    path: `triton-platform:docker.${setting}`,
    message,
    hint,
  });
  const silent = await daemonProblem(cli, report);
  if (silent !== undefined) return [silent];
  const missing = await imageProblems(cli, plan, docker, report);
  // What asks for GPUs and ports is this image.
  const probe = docker.images.haproxy;
  if (missing.some(({ message }) => message.startsWith(`${probe} `))) return missing;
  return [
    ...missing,
    ...(await gpuProblems(cli, plan, probe, file, report)),
    ...(await portProblems(cli, plan, probe, stack, report)),
  ];
}

async function daemonProblem(cli: DockerCli, report: Report): Promise<Problem | undefined> {
  const words = await refusalOf(() => cli.run(["version", "--format", "{{.Server.Version}}"]));
  if (words === undefined) return undefined;
  return words.includes("ENOENT")
    ? report("host", "there is no command `docker` on this machine", "install Docker's command line")
    : report(
        "host",
        `Docker on ${cli.host} does not answer: ${words}`,
        cli.host.startsWith("ssh:")
          ? `try \`docker --host ${cli.host} version\`: ssh must log in without a password, and the user there must be in the group docker`
          : "start it (systemctl start docker), or correct the address; who deploys must be in the group docker",
      );
}

async function imageProblems(
  cli: DockerCli,
  { images, serverImages }: DockerPlan,
  docker: DockerConfig,
  report: Report,
): Promise<Problem[]> {
  const settings = new Map(Object.entries(docker.images).map(([key, image]) => [image, `images.${key}`]));
  const wanted = [...new Set([...images, ...serverImages.map(({ base }) => base)])];
  const found = await Promise.all(
    wanted.map(async (image) => {
      const there = await refusalOf(() => cli.run(["image", "inspect", "--format", "{{.Id}}", image]));
      if (there === undefined) return [];
      // Docker itself talks to registries of its own machine without TLS.
      const insecure = /^(localhost|127\.)/.test(image) ? ["--insecure"] : [];
      const words = await refusalOf(() => cli.run(["manifest", "inspect", ...insecure, image]));
      return words === undefined
        ? []
        : [
            report(
              settings.get(image) ?? "images.triton",
              `${image} is not on the host, and cannot be had: ${words}`,
              "correct the name, log in with `docker login` where pulumi runs, or bring it to the host (docker load)",
            ),
          ];
    }),
  );
  return found.flat();
}

async function gpuProblems(
  cli: DockerCli,
  { servers, gpus, containers }: DockerPlan,
  probe: string,
  file: string,
  report: Report,
): Promise<Problem[]> {
  const exporters = containers.flatMap(({ name, gpus: own }) => (own === "all" ? [name] : []));
  const users = [...gpus.keys(), ...exporters];
  if (users.length === 0) return [];
  const ask = [
    "--rm",
    "--network=none",
    "--gpus=driver=nvidia,count=all",
    "--env=NVIDIA_DRIVER_CAPABILITIES=utility",
  ];
  try {
    const listed = await cli.run(["run", ...ask, "--entrypoint=nvidia-smi", probe, "-L"]);
    return hostGpuProblems(servers, gpus, parseGpuList(listed), file);
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    const names = users.map((name) => `\`${name}\``).join(", ");
    const isToolkit = /could not select device driver|unknown runtime|executable file not found/i.test(
      error.words,
    );
    return [
      isToolkit
        ? report(
            "gpus",
            `Docker on ${cli.host} gives no GPUs to containers, and ${names} ${users.length === 1 ? "needs" : "need"} some: ${error.words}`,
            "install NVIDIA's driver and container toolkit there (nvidia-ctk runtime configure --runtime=docker, then restart Docker), or take `accelerator` and `monitoring.dcgmExporter` away for a host without GPUs",
          )
        : report(
            "gpus",
            `the GPUs of ${cli.host} cannot be asked: ${error.words}`,
            "run nvidia-smi there, and mend what it reports",
          ),
    ];
  }
}

async function portProblems(
  cli: DockerCli,
  { containers }: DockerPlan,
  probe: string,
  stack: string,
  report: Report,
): Promise<Problem[]> {
  const held = await heldPorts(cli, stack);
  let wanted = containers.flatMap(({ ports }) => ports).filter(({ external }) => !held.has(external));
  const problems: Problem[] = [];
  // Docker tells one at a time.
  while (wanted.length > 0) {
    const words = await refusalOf(() =>
      cli.run(["run", "--rm", ...wanted.map(publishing), "--entrypoint=true", probe]),
    );
    if (words === undefined) break;
    const port = takenPort(words, wanted);
    problems.push(
      report(
        port?.setting ?? "ports",
        port === undefined
          ? `the ports cannot be published on ${cli.host}: ${words}`
          : words.includes("assign requested address")
            ? `${port.address} is no address of ${cli.host}`
            : `port ${String(port.external)} on ${port.address} of the host is taken by another program`,
        port === undefined
          ? "mend what Docker reports"
          : words.includes("assign requested address")
            ? "write an address of the host in docker.address, or 0.0.0.0 for all"
            : `stop that program (ss -ltnp 'sport = :${String(port.external)}' names it), or set another port`,
      ),
    );
    if (port === undefined) break;
    wanted = wanted.filter((other) => other !== port);
  }
  return problems;
}

function publishing({ address, external, internal }: PublishedPort): string {
  return `--publish=${address}:${String(external)}:${String(internal)}`;
}

function takenPort(words: string, wanted: readonly PublishedPort[]): PublishedPort | undefined {
  return wanted.find(({ external }) => new RegExp(String.raw`:${String(external)}\b`).test(words));
}

/** Those of the host that the stack's own containers have. */
async function heldPorts(cli: DockerCli, stack: string): Promise<ReadonlySet<number>> {
  const listed = await cli.run([
    "ps",
    "--filter",
    `label=${labels.stack}=${stack}`,
    "--format",
    "{{.Ports}}",
  ]);
  return new Set(
    // Neighbours are told together: `127.0.0.1:8000-8002->8000-8002/tcp`.
    [...listed.matchAll(/:(\d+)(?:-(\d+))?->/g)].flatMap(([, first, last = first]) =>
      Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i),
    ),
  );
}

/** What Docker says against it; undefined where it does it. */
async function refusalOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof DockerError) return error.words;
    throw error;
  }
}
