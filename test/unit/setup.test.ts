import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { oldestGo } from "../../commands/setup/engine-build.ts";
import { installFiles, releaseFiles } from "../../commands/setup/engine-download.ts";
import { engineFolder, engineProblem, engineVersion, oldestEngine } from "../../commands/setup/engine.ts";
import { findProgram, findPrograms } from "../../commands/setup/find-program.ts";
import { ghzProgram, vegetaProgram } from "../../commands/setup/load-programs.ts";
import { isSufficientGo, pypiGo } from "../../commands/setup/go.ts";
import { isSupportedPython, isSystemPython } from "../../commands/setup/interpreter.ts";
import { withLock } from "../../commands/setup/lock.mjs";
import {
  holdServices,
  installerProblem,
  missingPackages,
  policyScript,
  type Found,
} from "../../commands/setup/packages.ts";
import { placesIn, projectRoot } from "../../commands/setup/places.ts";
import { platformProblem } from "../../commands/setup/platform.ts";
import { askProgram, lastWords, runProgram } from "../../commands/setup/run-program.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { readState, writeState } from "../../commands/setup/state.ts";
import { throttled } from "../../commands/setup/steps.ts";
import { amtoolProgram } from "../../commands/setup/test-programs.ts";
import { missingLibraries } from "../../commands/setup/triton.ts";
import { UserError } from "../../commands/setup/user-error.ts";
import { compareVersions, formatVersion, parseVersion, type Version } from "../../commands/setup/version.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "setup-test-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const versions: fc.Arbitrary<Version> = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999));

describe("versions", () => {
  it("are read back from what is printed, whatever stands around them", () => {
    fc.assert(
      fc.property(
        versions,
        fc.constantFrom("", "v", "go", "pulumi v"),
        fc.constantFrom("", "-dev", "+dirty", "\n"),
        (version, before, after) => {
          expect(parseVersion(`${before}${formatVersion(version)}${after}`)).toEqual(version);
        },
      ),
    );
  });

  it("are ordered as numbers", () => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
        expect(compareVersions(a, b) === 0).toBe(formatVersion(a) === formatVersion(b));
      }),
    );
    expect(compareVersions([3, 99, 0], [3, 200, 0])).toBeLessThan(0);
  });

  it("are none in a text without one", () => {
    expect(parseVersion("")).toBeUndefined();
    expect(parseVersion("command not found")).toBeUndefined();
    expect(parseVersion("go1.26")).toEqual([1, 26, 0]);
  });
});

describe("the platform", () => {
  const good = { system: "linux", architecture: "x64", glibc: "2.36" };

  it.each([
    [good, undefined],
    [{ ...good, glibc: "2.35" }, undefined],
    [{ ...good, glibc: "2.31" }, "this Linux has glibc 2.31"],
    [{ ...good, glibc: undefined }, "this Linux has another C library than glibc"],
    [{ ...good, architecture: "arm64" }, "this machine is linux arm64"],
    [{ system: "darwin", architecture: "arm64", glibc: undefined }, "this machine is darwin arm64"],
  ])("%j", (platform, problem) => {
    expect(platformProblem(platform)).toBe(problem);
  });
});

describe("Python", () => {
  it("is supported where all pins have wheels", () => {
    const supported = [9, 10, 11, 12, 13, 14].filter((minor) => isSupportedPython([3, minor, 7]));
    expect(supported).toEqual([11, 12]);
  });

  it("is the system's only where the distribution's packages are made for it", () => {
    expect(isSystemPython({ executable: "/usr/bin/python3.11" })).toBe(true);
    expect(isSystemPython({ executable: "/usr/local/bin/python3.11" })).toBe(false);
    expect(isSystemPython({ executable: "/home/me/.pyenv/versions/3.11.7/bin/python3.11" })).toBe(false);
  });
});

describe("missing Debian packages", () => {
  const none = { python: false, triton: false, programs: false, cluster: false, testPrograms: false };
  const all = { python: true, triton: true, programs: true, cluster: true, testPrograms: true };
  const interpreter = {
    executable: "/usr/bin/python3.11",
    version: [3, 11, 2] as const,
    hasEnsurepip: false,
    hasSharedLibrary: false,
    torchFolder: undefined,
  };
  const bare: Found = {
    missingPrograms: ["haproxy", "prometheus", "promtool"],
    missingClusterPackages: ["runc"],
    missingTestPackages: ["chromium"],
    interpreter,
    hasEnvironment: false,
    hasTorchInEnvironment: false,
  };

  it("are all named at once on a bare system", () => {
    expect(missingPackages(all, bare)).toEqual([
      "chromium",
      "haproxy",
      "libpython3.11",
      "prometheus",
      "python3-torch",
      "python3.11-venv",
      "runc",
    ]);
  });

  it("are only those of what is wanted", () => {
    expect(missingPackages({ ...none, python: true }, bare)).toEqual(["python3.11-venv"]);
    expect(missingPackages({ ...none, programs: true }, bare)).toEqual(["haproxy", "prometheus"]);
    expect(missingPackages({ ...none, cluster: true }, bare)).toEqual(["runc"]);
    expect(missingPackages({ ...none, testPrograms: true }, bare)).toEqual(["chromium"]);
    expect(missingPackages(none, bare)).toEqual([]);
  });

  it("are none for what is there already", () => {
    const complete = {
      ...interpreter,
      hasEnsurepip: true,
      hasSharedLibrary: true,
      torchFolder: "/usr/lib/python3/dist-packages",
    };
    expect(
      missingPackages(all, {
        ...bare,
        missingPrograms: [],
        missingClusterPackages: [],
        missingTestPackages: [],
        interpreter: complete,
      }),
    ).toEqual([]);
    expect(missingPackages(all, { ...bare, hasEnvironment: true, hasTorchInEnvironment: true })).toEqual([
      "chromium",
      "haproxy",
      "libpython3.11",
      "prometheus",
      "runc",
    ]);
  });

  it("never include Python packages for a Python of another origin", () => {
    const other = { ...interpreter, executable: "/opt/python/bin/python3.12", version: [3, 12, 1] as const };
    expect(missingPackages(all, { ...bare, interpreter: other })).toEqual([
      "chromium",
      "haproxy",
      "prometheus",
      "runc",
    ]);
  });

  it("are installed, or named with the command that does it", () => {
    const packages = ["haproxy", "prometheus"];
    expect(installerProblem("apt", packages)).toBeUndefined();
    const withoutRoot = installerProblem("apt-without-root", packages);
    expect(withoutRoot?.message).toBe("Debian packages missing: haproxy, prometheus");
    expect(withoutRoot?.hint).toContain("sudo apt-get install --no-install-recommends haproxy prometheus");
    expect(installerProblem("none", packages)?.message).toContain("haproxy, prometheus");
  });
});

describe("the policy while packages are installed", () => {
  const ask = (script: string, ...args: string[]): number => {
    const file = path.join(folder, "policy");
    writeFileSync(file, script);
    try {
      execFileSync("/bin/sh", [file, ...args], { stdio: "pipe" });
      return 0;
    } catch (error) {
      return z.object({ status: z.number() }).parse(error).status;
    }
  };

  it("holds back the services of those packages and no others", () => {
    const script = policyScript(["haproxy"], process.pid, undefined);
    expect(ask(script, "haproxy", "start")).toBe(101);
    expect(ask(script, "--quiet", "haproxy.service", "restart")).toBe(101);
    expect(ask(script, "nginx", "start")).toBe(0);
  });

  it("still asks the policy that was there before", () => {
    const before = path.join(folder, "before");
    writeFileSync(before, "#!/bin/sh\nexit 104\n", { mode: 0o755 });
    const script = policyScript(["haproxy"], process.pid, before);
    expect(ask(script, "haproxy", "start")).toBe(101);
    expect(ask(script, "nginx", "start")).toBe(104);
  });

  it("is taken away again, and the one before put back", () => {
    const file = path.join(folder, "policy-rc.d");
    holdServices(["haproxy"], file)();
    expect(readdirSync(folder)).toEqual([]);

    const before = "#!/bin/sh\nexit 104\n";
    writeFileSync(file, before, { mode: 0o755 });
    const release = holdServices(["haproxy"], file);
    expect(ask(readFileSync(file, "utf8"), "haproxy", "start")).toBe(101);
    expect(ask(readFileSync(file, "utf8"), "nginx", "start")).toBe(104);
    release();
    expect(readFileSync(file, "utf8")).toBe(before);
    expect(readdirSync(folder).sort()).toEqual(["policy", "policy-rc.d"]);
  });

  it("says nothing more once its process is gone", () => {
    const gone = Number(execFileSync("/bin/sh", ["-c", "echo $$"], { encoding: "utf8" }));
    expect(ask(policyScript(["haproxy"], gone, undefined), "haproxy", "start")).toBe(0);
  });
});

describe("the engine", () => {
  it.each([
    ["v3.258.0", undefined],
    ["3.200.0", undefined],
    ["v3.301.2-dev", undefined],
    ["v3.199.9", `is 3.199.9, older than ${oldestEngine}`],
    ["v4.0.0", `is 4.0.0, of a newer major version than ${engineVersion}`],
    ["fetch failed", "does not tell its version"],
    [undefined, "does not tell its version"],
  ])("answering %j", (answer, problem) => {
    expect(engineProblem(answer)).toBe(problem);
  });

  it("lies where npm's launcher looks for it", () => {
    expect(engineFolder({ PULUMI_HOME: "/p" })).toBe(`/p/versions/${engineVersion}`);
    expect(engineFolder({ PULUMI_HOME: "" })).toMatch(new RegExp(`/\\.pulumi/versions/${engineVersion}$`));
  });

  it("is downloaded for the systems that have releases", () => {
    expect(releaseFiles("3.1.2", { system: "linux", architecture: "x64" })).toEqual({
      archive: "https://github.com/pulumi/pulumi/releases/download/v3.1.2/pulumi-v3.1.2-linux-x64.tar.gz",
      checksums: "https://github.com/pulumi/pulumi/releases/download/v3.1.2/pulumi-3.1.2-checksums.txt",
    });
    expect(releaseFiles("3.1.2", { system: "win32", architecture: "x64" })).toBeUndefined();
    expect(releaseFiles("3.1.2", { system: "linux", architecture: "ia32" })).toBeUndefined();
  });

  it.each([".", "bin"])("is put in its place from a release with its programs in `%s`", (where) => {
    const unpacked = path.join(folder, "pulumi");
    const bin = path.join(folder, "versions", "bin");
    mkdirSync(path.join(unpacked, where), { recursive: true });
    mkdirSync(bin, { recursive: true });
    for (const name of ["pulumi", "pulumi-language-nodejs"]) {
      writeFileSync(path.join(unpacked, where, name), "new");
    }
    writeFileSync(path.join(bin, "pulumi"), "old and broken");
    installFiles(unpacked, bin);
    expect(readdirSync(bin).sort()).toEqual(["pulumi", "pulumi-language-nodejs"]);
    expect(readFileSync(path.join(bin, "pulumi"), "utf8")).toBe("new");
  });

  it("is built in the version that is downloaded, by the Go that go.mod asks for", () => {
    const mod = readFileSync(path.join(projectRoot, "commands/setup/engine/go.mod"), "utf8");
    expect(mod).toContain(`require github.com/pulumi/pulumi/pkg/v3 v${engineVersion} `);
    expect(mod).toContain(`\ngo ${oldestGo}\n`);
    expect(isSufficientGo(pypiGo, oldestGo)).toBe(true);
    expect(isSufficientGo(`go${oldestGo}`, oldestGo)).toBe(true);
    expect(isSufficientGo("go1.24.13", oldestGo)).toBe(false);
    expect(isSufficientGo(undefined, oldestGo)).toBe(false);
  });
});

describe.each([amtoolProgram, ghzProgram, vegetaProgram])("$name", (program) => {
  it("is built in the version it is named by, by the Go that go.mod asks for", () => {
    const mod = readFileSync(path.join(projectRoot, "commands/setup", program.name, "go.mod"), "utf8");
    const required = [...mod.matchAll(/^(?:require|\t)\s*(\S+) v(\S+)/gm)].find(
      ([, module = ""]) => program.package === module || program.package.startsWith(`${module}/`),
    );
    expect(required?.[2]).toBe(program.version);
    expect(mod).toContain(`\ngo ${program.oldestGo}\n`);
    expect(isSufficientGo(pypiGo, program.oldestGo)).toBe(true);
  });
});

describe("the libraries of a stub", () => {
  it("that are missing are named once", () => {
    const output = [
      "\tlibpython3.12.so.1.0 => not found",
      "\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007fd59fa00000)",
      "\tlibpython3.12.so.1.0 => not found",
    ].join("\n");
    expect(missingLibraries(output)).toEqual(["libpython3.12.so.1.0"]);
    expect(missingLibraries("")).toEqual([]);
  });
});

describe("the last words of a program", () => {
  it("are the lines that tell why", () => {
    const output =
      "Collecting numpy\nERROR: No matching distribution found for numpy==9\nWARNING: something\nBye\n";
    expect(lastWords(output)).toBe("ERROR: No matching distribution found for numpy==9");
  });

  it("are the last lines where none tells", () => {
    expect(lastWords("one\n\ntwo\rthree\n", 2)).toBe("two\nthree");
  });

  it("are never more than asked for", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 9 }), (output, count) => {
        expect(lastWords(output, count).split("\n").length).toBeLessThanOrEqual(count);
      }),
    );
  });
});

describe("running programs", () => {
  const failure = { failure: "It failed", hint: "mend it" };

  it("returns the output and shows every line", async () => {
    const lines: string[] = [];
    const args = ["-c", "echo out; echo err >&2"];
    const output = await runProgram({ command: "sh", args, ...failure, onLine: (line) => lines.push(line) });
    expect(output).toBe("out");
    expect(lines.sort()).toEqual(["err", "out"]);
  });

  it("tells why it failed, and the mend", async () => {
    const run = runProgram({
      command: "sh",
      args: ["-c", "echo 'error: no space left' >&2; exit 3"],
      ...failure,
    });
    await expect(run).rejects.toThrow(UserError);
    await expect(run).rejects.toMatchObject({ message: "It failed:\nerror: no space left", hint: "mend it" });
    await expect(runProgram({ command: "/no/such/program", args: [], ...failure })).rejects.toThrow(/ENOENT/);
  });

  it("gives up on a program that is silent", async () => {
    const run = runProgram({ command: "sleep", args: ["30"], ...failure, silenceMs: 100 });
    await expect(run).rejects.toThrow("It failed:\nnothing was heard for 0.1 s");
    expect(await askProgram("sleep", ["30"], { timeoutMs: 100 })).toBeUndefined();
  });
});

describe("finding programs", () => {
  it("goes by PATH first and by the system's folders after it", () => {
    writeFileSync(path.join(folder, "sh"), "", { mode: 0o755 });
    writeFileSync(path.join(folder, "not-executable"), "", { mode: 0o644 });
    expect(findProgram("sh", folder)).toBe(path.join(folder, "sh"));
    expect(findPrograms("sh", folder).length).toBeGreaterThan(1);
    expect(findProgram("not-executable", folder)).toBeUndefined();
    expect(findProgram("sh", `relative:${folder}`)).toBe(path.join(folder, "sh"));
  });
});

describe("notes of what is complete", () => {
  const schema = z.object({ a: z.number() });

  it("are read back, and are none where they are missing, broken or of another shape", () => {
    const file = path.join(folder, "deep", "state.json");
    expect(readState(file, schema)).toBeUndefined();
    writeState(file, { a: 1 });
    expect(readState(file, schema)).toEqual({ a: 1 });
    writeFileSync(file, '{"a": ');
    expect(readState(file, schema)).toBeUndefined();
    writeFileSync(file, '{"a": "1"}');
    expect(readState(file, schema)).toBeUndefined();
  });

  it("are not there in a fresh checkout", () => {
    writeFileSync(path.join(folder, "requirements.txt"), "");
    const ofMachine = ["programs", "cluster", "testPrograms"];
    expect(Object.keys(readyTools(placesIn(folder))).filter((tool) => !ofMachine.includes(tool))).toEqual([]);
  });
});

describe("progress", () => {
  it("is shown at once and then now and then", () => {
    const shown: string[] = [];
    let now = 0;
    const report = throttled(
      100,
      (text) => shown.push(text),
      () => now,
    );
    for (now = 0; now < 250; now += 10) report(String(now));
    expect(shown).toEqual(["0", "100", "200"]);
  });
});

describe("the lock", () => {
  it("lets one work at a time, and the next go on after a failure", async () => {
    const events: string[] = [];
    const work = (name: string, fails: boolean) =>
      withLock("test", folder, async () => {
        events.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        events.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([work("a", true), work("b", false)]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(events).toEqual(["a begins", "a ends", "b begins", "b ends"]);
    expect(existsSync(folder)).toBe(true);
  });
});
