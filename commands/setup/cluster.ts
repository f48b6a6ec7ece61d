import { existsSync } from "node:fs";
import process from "node:process";
import { findProgram } from "./find-program.ts";
import { UserError } from "./user-error.ts";

/** What a Kubernetes node of real pods on this machine and the tests' images are made with; absolute paths. */
export interface ClusterTools {
  /** containerd's own command line. */
  readonly ctr: string;
  readonly debootstrap: string;
}

/** Undefined where a program is missing, or where this process may not make namespaces, mounts and addresses. */
export function readyCluster(): ClusterTools | undefined {
  const ctr = findProgram("ctr");
  const debootstrap = findProgram("debootstrap");
  if (clusterProblem() !== undefined || missingClusterPackages().length > 0) return undefined;
  return ctr === undefined || debootstrap === undefined ? undefined : { ctr, debootstrap };
}

/** Why this process cannot run pods whatever is installed; undefined where it can. */
export function clusterProblem(): string | undefined {
  if (process.platform !== "linux") return "real pods need Linux";
  return process.getuid?.() === 0 ? undefined : "real pods need root";
}

export function checkCluster(): void {
  const problem = clusterProblem();
  if (problem !== undefined) throw new UserError(problem, "run the same command as root on Linux");
}

/** Debian's packages, each with what it is recognised by: a program, or the absolute path of a file. */
const recognisedBy: Readonly<Record<string, string>> = {
  // A busybox that is not linked statically has the same name, and runs in no image of its own.
  "busybox-static": "/var/lib/dpkg/info/busybox-static.list",
  conntrack: "conntrack",
  containerd: "containerd",
  "containernetworking-plugins": "/usr/lib/cni/bridge",
  debootstrap: "debootstrap",
  "docker-registry": "docker-registry",
  "docker.io": "dockerd",
  iproute2: "ip",
  iptables: "iptables",
  openssl: "openssl",
  procps: "sysctl",
  runc: "runc",
};

export function missingClusterPackages(): readonly string[] {
  return Object.entries(recognisedBy).flatMap(([name, sign]) => {
    const found = sign.startsWith("/") ? existsSync(sign) : findProgram(sign) !== undefined;
    return found ? [] : [name];
  });
}
