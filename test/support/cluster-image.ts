import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withLock } from "../../commands/setup/lock.mjs";
import { placesIn } from "../../commands/setup/places.ts";
import { cleanPython, pipArguments, type Python } from "../../commands/setup/python.ts";
import { runProgram } from "../../commands/setup/run-program.ts";
import { readyTools, type ClusterTools, type Triton } from "../../commands/setup/set-up.ts";
import { hashFile } from "../../core/spec/artifacts.ts";
import { removeTree } from "./cluster-remains.ts";
import { bootstrap, debianSource, trimmed } from "./debian.ts";
import { projectRoot } from "./tools.ts";

/** The one image of the tests' real pods. No registry has it: pods say `imagePullPolicy: Never` or `IfNotPresent`. */
export const clusterImageName = "docker.io/local/triton-platform-test:1";

/** Python and its library for Triton's Python models, the balancer, and a client for object stores. */
const packages = (minor: string): readonly string[] => [
  "python3",
  `libpython${minor}`,
  "haproxy",
  "rclone",
  "ca-certificates",
  // perf_analyzer's.
  "libb64-0d",
];

/** Triton's programs find the wheel's libraries by where they lie to each other, as in site-packages. */
const wheelFolder = "/opt/python";
const tritonFolder = `${wheelFolder}/pytriton/tritonserver`;

/** NVIDIA's image has `tritonserver` on PATH and its folders where it looks for them. */
const wrapper = `#!/bin/sh
exec ${tritonFolder}/bin/tritonserver --backend-directory=${tritonFolder}/backends \\
  --cache-directory=${tritonFolder}/caches --allow-gpu-metrics=false "$@"
`;

/** NVIDIA's load generator with the library of CUDA's that it is linked against; neither needs a GPU. */
const perfFolder = "/opt/perf";
const perfWrapper = `#!/bin/sh
LD_LIBRARY_PATH=${perfFolder}/nvidia/cuda_runtime/lib exec ${perfFolder}/bin/perf_analyzer "$@"
`;

const requirements = "test/support/cluster-image-requirements.txt";
const perfRequirements = "test/support/perf-analyzer-requirements.txt";
const motoRequirements = "test/support/moto-requirements.txt";
const simulator = "components/local/llm_simulator";

/**
 * The image as a docker-archive, made where it is not there yet or not from today's inputs (a minute from nothing).
 * In it, for any user and with a read-only root:
 *
 * - `tritonserver <flags>`: the real server with its Python backend and response caches; it needs no GPU;
 * - `haproxy`, `rclone`, and `python3` with numpy, aiohttp, tenacity and cachetools;
 * - `python3 -m moto.server -H 0.0.0.0 -p PORT`: an S3 server;
 * - `perf_analyzer`, as NVIDIA's SDK image has it;
 * - `python3 /opt/llm_simulator --host 0.0.0.0 --port PORT`: components/local/llm_simulator.
 */
export async function clusterImage(toolchain: string): Promise<string> {
  const { triton, cluster } = readyTools(placesIn(projectRoot));
  if (triton === undefined || cluster === undefined) throw new Error("Triton or the cluster is not set up");
  return withLock("cluster-image", projectRoot, () => cachedImage(toolchain, triton, cluster));
}

async function cachedImage(
  toolchain: string,
  triton: Triton,
  { debootstrap }: ClusterTools,
): Promise<string> {
  const source = await debianSource();
  const chosen = packages(triton.python.minor);
  const cache = path.join(projectRoot, ".local", "cache", "cluster-image");
  const debian = path.join(cache, `debian-${keyOf([source.suite, ...chosen, ...trimmed])}`);
  const image = path.join(cache, `image-${keyOf([debian, ...inputs()])}.tar`);
  if (existsSync(image)) return image;

  mkdirSync(cache, { recursive: true });
  const stale = readdirSync(cache).map((name) => path.join(cache, name));
  for (const folder of stale.filter((each) => each !== debian)) await removeTree(folder);
  const work = path.join(cache, "work");
  mkdirSync(work);
  const root = path.join(work, "root");
  const site = path.join(work, "site");
  const perf = path.join(work, "perf");
  const made = path.join(work, "debian");
  try {
    // Most of the one is waiting for a network, most of the other for a processor.
    await Promise.all([
      existsSync(debian) ? undefined : bootstrap(debootstrap, source, chosen, made),
      installRequirements(triton.python, requirements, site),
      installRequirements(triton.python, perfRequirements, perf, "--no-deps"),
    ]);
    if (!existsSync(debian)) renameSync(made, debian);
    await copy(debian, root);
    renameSync(site, path.join(root, "usr/local/lib", `python${triton.python.minor}`, "dist-packages"));
    await addTriton(triton, root);
    renameSync(perf, path.join(root, perfFolder));
    writeFileSync(path.join(root, "usr/local/bin/perf_analyzer"), perfWrapper, { mode: 0o755 });
    await copy(path.join(projectRoot, simulator), path.join(root, "opt/llm_simulator"));
    await runProgram({
      command: path.join(toolchain, "image"),
      args: ["--root", root, clusterImageName, path.join(work, "image.tar"), "tritonserver"],
      failure: "the image could not be packed",
      hint: "look for free disk space",
    });
    renameSync(path.join(work, "image.tar"), image);
  } finally {
    await removeTree(work);
  }
  return image;
}

function keyOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/** Hashes of everything of this checkout that goes into the image, and of how it is made. */
function inputs(): readonly string[] {
  const python = readdirSync(path.join(projectRoot, simulator)).filter((name) => name.endsWith(".py"));
  const files = [
    path.relative(projectRoot, import.meta.filename),
    "requirements.txt",
    "test/support/debian.ts",
    requirements,
    perfRequirements,
    motoRequirements,
    ...python.sort().map((name) => path.join(simulator, name)),
  ];
  return files.map((file) => hashFile(projectRoot, file).sha256);
}

async function installRequirements(
  python: Python,
  file: string,
  folder: string,
  ...options: readonly string[]
): Promise<void> {
  await runProgram({
    command: python.executable,
    args: [...pipArguments, ...options, "--target", folder, "--requirement", path.join(projectRoot, file)],
    failure: `the packages of ${file} could not be installed`,
    hint: "mend what pip reports (index, proxy, disk space)",
    env: cleanPython,
  });
}

/** From the project's environment, where the wheel is unpacked and has the stub for its Python. */
async function addTriton({ directory, python }: Triton, root: string): Promise<void> {
  await copy(directory, path.join(root, tritonFolder));
  await copy(
    path.join(python.sitePackages, "nvidia_pytriton.libs"),
    path.join(root, wheelFolder, "nvidia_pytriton.libs"),
  );
  // A stub for each Python, of which the backend has the right one.
  rmSync(path.join(root, tritonFolder, "python_backend_stubs"), { recursive: true, force: true });
  writeFileSync(path.join(root, "usr/local/bin/tritonserver"), wrapper, { mode: 0o755 });
}

/** Owners, times and links included, which Node's own copy leaves out. */
async function copy(from: string, to: string): Promise<void> {
  mkdirSync(path.dirname(to), { recursive: true });
  await runProgram({
    command: "cp",
    args: ["--archive", from, to],
    failure: `${from} could not be copied`,
    hint: "look for free disk space",
  });
}
