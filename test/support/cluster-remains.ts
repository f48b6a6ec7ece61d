import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import * as z from "zod";

/** Removes a folder below which something may be mounted still, and nothing of what is mounted there. */
export async function removeTree(folder: string): Promise<void> {
  const mounts = mountsBelow(folder);
  if (mounts.length > 0) await execa("umount", ["--lazy", ...mounts]);
  rmSync(folder, { recursive: true, force: true });
}

/** Where something is mounted below a folder, the innermost first. */
export function mountsBelow(folder: string, mounts = readFileSync("/proc/self/mounts", "utf8")): string[] {
  return mounts
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .map((place) => place.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))))
    .filter((place) => place.startsWith(`${folder}${path.sep}`))
    .sort()
    .reverse();
}

/** Kills every process whose command line names a file below a folder; whether there was none. */
export function endProcesses(folder: string): boolean {
  const named = pids().filter(
    (pid) => pid !== process.pid && commandLine(pid).includes(`${folder}${path.sep}`),
  );
  named.forEach(kill);
  return named.length === 0;
}

/** Whether this machine is a node already. */
export function runsKubelet(): boolean {
  return pids().some((pid) => path.basename(commandLine(pid).split("\0")[0] ?? "") === "kubelet");
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Its parts end with zero bytes; empty where the process has ended. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** What kubelet and kube-proxy set on the machine they run on, in /proc/sys. */
const settings = [
  "kernel/panic",
  "kernel/panic_on_oops",
  "net/bridge/bridge-nf-call-iptables",
  "net/ipv4/conf/all/route_localnet",
  "net/ipv4/ip_forward",
  "vm/overcommit_memory",
  "vm/panic_on_oom",
];

/** A machine as it was before it became a node. */
const machineSchema = z.object({
  /** By file. */
  settings: z.record(z.string(), z.string()),
  /** Names in /run/netns. */
  networks: z.array(z.string()),
});

export type Machine = z.output<typeof machineSchema>;

/** Notes in a file how this machine is. */
export function saveMachine(file: string): void {
  const found = settings.map((name) => path.join("/proc/sys", name)).filter((name) => existsSync(name));
  const machine: Machine = {
    settings: Object.fromEntries(found.map((name) => [name, readFileSync(name, "utf8").trim()])),
    networks: namesIn(networkNamespaces),
  };
  writeFileSync(file, JSON.stringify(machine));
}

export function readMachine(file: string): Machine {
  return machineSchema.parse(JSON.parse(readFileSync(file, "utf8")));
}

/** Kills what runs in kubelet's control groups and removes them; whether there are none left. */
export function endPods(): boolean {
  const root = "/sys/fs/cgroup";
  // One hierarchy for each resource, or one for all.
  const groups = ["", ...namesIn(root)].map((name) => path.join(root, name, "kubepods"));
  return groups.filter((group) => existsSync(group)).every(endGroup);
}

function endGroup(group: string): boolean {
  const below = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const ended = below.map(({ name }) => endGroup(path.join(group, name)));
  if (ended.includes(false)) return false;
  const members = readFileSync(path.join(group, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
  members.map(Number).forEach(kill);
  // What was killed leaves its group a moment later.
  if (members.length > 0) return false;
  rmdirSync(group);
  return true;
}

/** Takes away what kubelet, kube-proxy and the network plugins leave on a machine once all of them have ended. */
export async function restoreMachine({ settings, networks }: Machine): Promise<void> {
  for (const name of namesIn(networkNamespaces)) {
    if (!name.startsWith("cni-") || networks.includes(name)) continue;
    const file = path.join(networkNamespaces, name);
    await execa("umount", ["--lazy", file], { reject: false });
    rmSync(file, { force: true });
  }
  await execa("ip", ["link", "delete", "tpods0"], { reject: false });
  await execa("ip", ["address", "delete", "10.254.0.1/32", "dev", "lo"], { reject: false });
  clearNetworkNotes();
  clearContainerNotes();
  await clearRules("iptables");
  await clearRules("ip6tables");
  for (const [file, value] of Object.entries(settings)) writeFileSync(file, value);
}

const networkNamespaces = "/run/netns";

/** The plugins' notes of the network `pods`, whose addresses would run out after some hundred pods. */
function clearNetworkNotes(): void {
  const notes = "/var/lib/cni";
  rmSync(path.join(notes, "networks", "pods"), { recursive: true, force: true });
  for (const name of namesIn(path.join(notes, "results"))) {
    const [, container] = /^pods-(.*)-eth0$/.exec(name) ?? [];
    if (container === undefined) continue;
    for (const note of [name, `cni-loopback-${container}-lo`])
      rmSync(path.join(notes, "results", note), { force: true });
  }
}

/** containerd's shims keep these outside its own folder, whichever containerd they belong to. */
function clearContainerNotes(): void {
  const notes = "/run/containerd";
  rmSync(path.join(notes, "runc", "k8s.io"), { recursive: true, force: true });
  const inUse = readFileSync("/proc/net/unix", "utf8");
  for (const name of namesIn(path.join(notes, "s")))
    if (!inUse.includes(name)) rmSync(path.join(notes, "s", name), { force: true });
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** All chains of Kubernetes: a machine with another node starts none. */
async function clearRules(program: "iptables" | "ip6tables"): Promise<void> {
  const { stdout } = await execa(`${program}-save`);
  const lines = stdout.split("\n");
  const kept = lines.filter((line) => !line.includes("KUBE-"));
  if (kept.length < lines.length) await execa(`${program}-restore`, { input: `${kept.join("\n")}\n` });
}
