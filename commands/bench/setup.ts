import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectRoot } from "../setup/places.ts";
import { runProgram } from "../setup/run-program.ts";
import { withPlatform, type Observer } from "./platform.ts";
import type { Section } from "./report.ts";

/** Variables that would lead to this user's caches from under another home folder. */
const cacheVariables = [
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
  "PULUMI_HOME",
  "PIP_CACHE_DIR",
  "npm_config_cache",
];

/** `npm start` in a fresh clone of what is committed, with an empty home folder: no cache of this user helps. */
export async function setupSection(observer: Observer): Promise<Section> {
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-setup-"));
  try {
    const checkout = path.join(folder, "clone");
    const home = path.join(folder, "home");
    mkdirSync(home);
    observer.progress("cloning what is committed");
    await runProgram({
      command: "git",
      args: ["clone", "--quiet", "--depth", "1", `file://${projectRoot}`, checkout],
      failure: "The checkout could not be cloned",
      hint: "run the benchmark in a git checkout",
    });
    const lines: string[] = [];
    const env = { ...Object.fromEntries(cacheVariables.map((name) => [name, undefined])), HOME: home };
    const onLine = (line: string): void => {
      lines.push(line);
    };
    const all = await withPlatform({ ...observer, checkout, env, onLine }, ({ startSeconds }) =>
      Promise.resolve(startSeconds),
    );
    return {
      title: "npm start in a fresh clone with an empty home folder",
      notes: [
        "Debian packages and programs of this machine that were there already were found, and cost nothing.",
      ],
      rows: setupRows(lines, all),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The steps' durations from what `npm start` writes, and what remains: bringing the platform up. */
export function setupRows(lines: readonly string[], all: number): { step: string; seconds: number }[] {
  const npm = lines.flatMap((line) => {
    const match = /^Installing (npm packages) .* (\d+) s$/.exec(line.trim());
    return match === null ? [] : [{ step: "npm packages", seconds: Number(match[2]) }];
  });
  const steps = lines.flatMap((line) => {
    const match = /^✔ (.+) \((\d+(?:\.\d+)?) s\)$/.exec(line.trim());
    return match?.[1] === undefined ? [] : [{ step: match[1], seconds: Number(match[2]) }];
  });
  // npm's line is repeated while it runs.
  const known = [...npm.slice(-1), ...steps];
  const rest = all - known.reduce((sum, { seconds }) => sum + seconds, 0);
  return [
    ...known,
    { step: "platform up, every model called", seconds: rest },
    { step: "all", seconds: all },
  ];
}
