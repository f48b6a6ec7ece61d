import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { hostProblems } from "../../components/docker/preflight.ts";
import { dockerOf } from "../../core/spec/platform.ts";
import { hostOf } from "../support/docker-plan.ts";
import { a100, onCpu, onGpu } from "../support/kubernetes-servers.ts";
import { platformOf, type PlatformFields } from "../support/models.ts";
import { projectRoot } from "../support/tools.ts";

/** What Docker's command line says to a command: on standard output, or where it refuses. */
type Answer = { readonly says: string } | { readonly refuses: string };

const cards = readFileSync(path.join(projectRoot, "test", "recorded", "nvidia-smi.txt"), "utf8");

/** A host on which nothing is wrong, by what a command has in it; the first that fits answers. */
const fine: Readonly<Record<string, Answer>> = {
  " version ": { says: "28.2.2" },
  " image inspect ": { says: "sha256:1" },
  " ps ": { says: "" },
  "--entrypoint=nvidia-smi": { says: cards },
  "--entrypoint=true": { says: "" },
};

/** As Docker 28 says it of ports; of two it names one. */
function taken(port: number): string {
  return `docker: Error response from daemon: failed to set up container networking: driver failed programming external connectivity on endpoint x (1): failed to bind host port for 127.0.0.1:${String(port)}:172.17.0.2:${String(port)}/tcp: address already in use`;
}

describe("a Docker host before a deployment", () => {
  let folder = "";

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-docker-words-"));
    vi.stubEnv("PATH", folder);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  /** Stands in for the command `docker` of a host on which all is fine but this. */
  function answering(amiss: Readonly<Record<string, Answer>>): void {
    const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
    const cases = [...Object.entries(amiss), ...Object.entries(fine)].map(([part, answer]) => {
      const said =
        "says" in answer
          ? `printf %s ${quoted(answer.says)}`
          : `printf '%s\\n' ${quoted(answer.refuses)} >&2; exit 125`;
      return `*${quoted(part)}*) ${said} ;;\n`;
    });
    const calls = quoted(path.join(folder, "calls"));
    const script = `#!/bin/sh\necho "$*" >> ${calls}\ncase " $* " in\n${cases.join("")}*) exit 1 ;;\nesac\n`;
    writeFileSync(path.join(folder, "docker"), script, { mode: 0o755 });
  }

  async function problems(docker: PlatformFields["docker"] = {}, model = onGpu): Promise<string[]> {
    const gpu = { replicas: 2, ...(model === onGpu ? { accelerator: a100 } : {}) };
    const fields: PlatformFields = { servers: { gpu }, docker };
    const found = await hostProblems({
      plan: hostOf([model], fields),
      docker: dockerOf(platformOf({ target: "docker", ...fields })),
      stack: "gpu-host",
      file: "Pulumi.gpu-host.yaml",
    });
    for (const { file, hint } of found)
      expect([file, hint.length > 10]).toEqual(["Pulumi.gpu-host.yaml", true]);
    return found.map(
      ({ path: place, message }) => `${place.replace("triton-platform:docker.", "")}: ${message}`,
    );
  }

  it("is asked, and nothing on it is changed", async () => {
    answering({});
    expect(await problems()).toEqual([]);
    const calls = readFileSync(path.join(folder, "calls"), "utf8").trim().split("\n");
    for (const call of calls)
      expect(call).toMatch(
        /^--host \S+ (version|image inspect|ps|run --rm .*--entrypoint=(nvidia-smi|true)) /,
      );
  });

  it("needs the command `docker` here", async () => {
    expect(existsSync(path.join(folder, "docker"))).toBe(false);
    expect(await problems()).toEqual(["host: there is no command `docker` on this machine"]);
  });

  it("must answer, and is told no more about where it does not", async () => {
    const words =
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    answering({ " version ": { refuses: words } });
    expect(await problems()).toEqual([
      `host: Docker on unix:///var/run/docker.sock does not answer: ${words}`,
    ]);
    const login = "error during connect: ssh: permission denied (publickey)";
    answering({ " version ": { refuses: login } });
    expect(await problems({ host: "ssh://deploy@gpu-1" })).toEqual([
      `host: Docker on ssh://deploy@gpu-1 does not answer: ${login}`,
    ]);
  });

  it("must have each image, or be able to have it", async () => {
    const words = "manifest unknown";
    const image = "nvcr.io/nvidia/tritonserver:26.07-py3";
    const missing = { [` ${image} `]: { refuses: words }, " manifest inspect ": { refuses: words } };
    answering({ [` manifest inspect ${image} `]: { refuses: words }, ...missing });
    expect(await problems()).toEqual([
      `images.triton: ${image} is not on the host, and cannot be had: ${words}`,
    ]);
    answering({ [` manifest inspect ${image} `]: { says: "{}" }, ...missing });
    expect(await problems()).toEqual([]);
  });

  it("must give GPUs to containers where a server has some", async () => {
    const toolkit = `docker: Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]`;
    answering({ "--entrypoint=nvidia-smi": { refuses: toolkit } });
    expect(await problems()).toEqual([
      `gpus: Docker on unix:///var/run/docker.sock gives no GPUs to containers, and \`gpu\`, \`dcgm-exporter\` need some: ${toolkit.replace("docker: ", "")}`,
    ]);
    // Without servers on GPUs, the exporter alone.
    expect(await problems({}, onCpu)).toEqual([]);
    expect(await problems({ monitoring: { dcgmExporter: true } }, onCpu)).toEqual([
      expect.stringContaining("gives no GPUs to containers, and `dcgm-exporter` needs some"),
    ]);
    const driver =
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.";
    answering({ "--entrypoint=nvidia-smi": { refuses: driver } });
    expect(await problems()).toEqual([
      `gpus: the GPUs of unix:///var/run/docker.sock cannot be asked: ${driver}`,
    ]);
  });

  it("must have the GPUs that servers are to have, and of their kind", async () => {
    const [first = ""] = cards.split("\n");
    answering({ "--entrypoint=nvidia-smi": { says: `${first}\n` } });
    expect(await problems()).toEqual(["gpus.gpu: the host has no GPU 1: it has 0 (NVIDIA A100-SXM4-80GB)"]);
    answering({ "--entrypoint=nvidia-smi": { says: cards.replaceAll("A100-SXM4-80GB", "L4") } });
    expect(await problems()).toEqual(
      [0, 1].map(
        (id) => `gpus.gpu: GPU ${String(id)} is a NVIDIA L4, and the server is sized for \`a100-80gb\``,
      ),
    );
  });

  it("must have every port free, and have its address", async () => {
    answering({
      ":8001:8001": { refuses: taken(8001) },
      ":3000:3000": { refuses: taken(3000) },
    });
    expect(await problems()).toEqual([
      "ports.grpc: port 8001 on 127.0.0.1 of the host is taken by another program",
      "ports.grafana: port 3000 on 127.0.0.1 of the host is taken by another program",
    ]);
    const address = taken(8000).replace("address already in use", "cannot assign requested address");
    answering({ ":8000:8000": { refuses: address.replace("127.0.0.1", "192.0.2.7") } });
    expect(await problems({ address: "192.0.2.7" })).toContain(
      "ports.http: 192.0.2.7 is no address of unix:///var/run/docker.sock",
    );
    // Its own are no one else's.
    answering({
      ":8001:8001": { refuses: taken(8001) },
      " ps ": { says: "127.0.0.1:8000-8002->8000-8002/tcp" },
    });
    expect(await problems()).toEqual([]);
  });
});
