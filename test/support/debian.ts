import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { askProgram, runProgram } from "../../commands/setup/run-program.ts";

export interface DebianSource {
  /** As in `bookworm`. */
  readonly suite: string;
  readonly mirror: string;
}

/** This machine's release of Debian, and where its apt gets packages from. */
export async function debianSource(): Promise<DebianSource> {
  const [, suite = ""] = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8")) ?? [];
  const format = ["indextargets", "--format", "$(RELEASE) $(CODENAME) $(REPO_URI)", "Created-By: Packages"];
  const targets = ((await askProgram("apt-get", format)) ?? "").split("\n").map((line) => line.split(" "));
  const mirror = targets.find(([release, codename]) => release === suite || codename === suite)?.[2];
  if (mirror === undefined) throw new Error(`apt has no source of the packages of ${suite}`);
  return { suite, mirror };
}

/** Lists of packages, and what nobody reads in a container. */
export const trimmed: readonly string[] = [
  "var/cache/apt",
  "var/lib/apt/lists",
  ...["doc", "info", "lintian", "locale", "man"].map((name) => `usr/share/${name}`),
];

/** Makes a small Debian with the chosen packages and what they need in a new folder. */
export async function bootstrap(
  debootstrap: string,
  { suite, mirror }: DebianSource,
  chosen: readonly string[],
  root: string,
): Promise<void> {
  await runProgram({
    command: debootstrap,
    args: ["--variant=minbase", `--include=${chosen.join(",")}`, suite, root, mirror],
    failure: `debootstrap could not make ${suite}`,
    hint: "mend what it reports (apt's mirror, network, disk space)",
  });
  for (const folder of trimmed) rmSync(path.join(root, folder), { recursive: true, force: true });
}
