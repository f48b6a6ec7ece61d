import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dockerProblem, findGrafanaProgram } from "../../commands/setup/grafana.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "grafana-test-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** An empty file, with its folders: a program where it lies in a folder of programs. */
function make(file: string): string {
  const full = path.join(root, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, "", { mode: file.includes("bin/") ? 0o755 : 0o644 });
  return full;
}

describe("a Grafana that is installed", () => {
  const find = (bin: string) =>
    findGrafanaProgram(path.join(root, bin), path.join(root, "usr/share/grafana"));

  it("by a package: its executable, and not the script on PATH that takes the system's settings", () => {
    make("usr/sbin/grafana");
    make("usr/share/grafana/conf/defaults.ini");
    const executable = make("usr/share/grafana/bin/grafana");
    const home = path.join(root, "usr/share/grafana");
    expect(find("usr/sbin")).toEqual({ kind: "program", command: [executable, "server"], home });
  });

  it("by an older package: grafana-server, which is a server without saying so", () => {
    make("usr/sbin/grafana-server");
    make("usr/share/grafana/conf/defaults.ini");
    const executable = make("usr/share/grafana/bin/grafana-server");
    expect(find("usr/sbin")?.command).toEqual([executable]);
  });

  it("unpacked, and linked to from a folder of PATH", () => {
    const executable = make("opt/grafana-12/bin/grafana");
    make("opt/grafana-12/conf/defaults.ini");
    mkdirSync(path.join(root, "bin"));
    symlinkSync(executable, path.join(root, "bin/grafana"));
    const home = path.join(root, "opt/grafana-12");
    expect(find("bin")).toEqual({ kind: "program", command: [executable, "server"], home });
  });

  it("with its pages apart from its programs", () => {
    const executable = make("store/bin/grafana");
    make("store/share/grafana/conf/defaults.ini");
    const home = path.join(root, "store/share/grafana");
    expect(find("store/bin")).toEqual({ kind: "program", command: [executable, "server"], home });
  });

  it("is none without its pages and defaults, and none at all where nothing is", () => {
    make("bin/grafana");
    expect(find("bin")).toBeUndefined();
    expect(find("nowhere")).toBeUndefined();
  });
});

describe("a Docker", () => {
  const info = (fields: object): string =>
    JSON.stringify({ Name: "here", SecurityOptions: ["name=seccomp,profile=builtin"], ...fields });

  it.each([
    ["of this machine", info({}), undefined],
    ["without security options", info({ SecurityOptions: null }), undefined],
    ["that does not answer", undefined, "Docker at /var/run/docker.sock does not answer"],
    ["that answers something else", "podman", "Docker at /var/run/docker.sock does not answer"],
    [
      "that runs rootless",
      info({ SecurityOptions: ["name=rootless"] }),
      "Docker runs rootless: its containers do not share this machine's network",
    ],
    [
      "of a virtual machine",
      info({ Name: "docker-desktop" }),
      "Docker runs on another machine, docker-desktop",
    ],
  ])("%s", (_, answer, problem) => {
    expect(dockerProblem(answer, "here")).toBe(problem);
  });
});
