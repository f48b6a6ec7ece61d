// Entry of every npm script: `node commands/run.mjs <command> [arguments]`. Plain JavaScript without dependencies,
// since it runs before there are any: it installs the npm packages where they are missing, then runs
// `commands/<command>.ts`, and is the one place that turns an error into a message and an exit code.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { withLock } from "./setup/lock.mjs";

const commands = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(commands);

/** Errors that speak to the user: shown as they are, without a stack. */
const spoken = new Set(["UserError", "ProblemsError"]);

class UserError extends Error {
  constructor(message, hint) {
    super(message);
    this.name = "UserError";
    this.hint = hint;
  }
}

async function run([command, ...args]) {
  // A reader that has seen enough (`… | head`) is no error.
  process.stdout.on("error", (error) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  checkNode();
  const file = path.join(commands, `${command ?? ""}.ts`);
  if (command === undefined || path.dirname(file) !== commands || !existsSync(file)) throw unknown(command);
  if (!packagesInstalled()) await withLock("npm", root, installPackages);

  const { register } = await import("tsx/esm/api");
  register();
  process.argv = [process.execPath, file, ...args];
  const module = await import(pathToFileURL(file).href);
  await module.main(args);
}

function checkNode() {
  const { engines } = readJson(path.join(root, "package.json"));
  const wanted = engines.node.replace(/^>=/, "");
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = wanted.split(".").map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new UserError(
    `Node.js ${wanted} or newer is needed; this is ${process.versions.node} (${process.execPath})`,
    "install a newer Node.js, for instance from https://nodejs.org",
  );
}

function unknown(command) {
  const known = readdirSync(commands)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => path.basename(name, ".ts"));
  return new UserError(
    command === undefined ? "No command was given" : `There is no command \`${command}\``,
    `commands: ${known.sort().join(", ") || "none"}`,
  );
}

/**
 * Whether node_modules holds what package-lock.json names. npm writes its own record of a tree,
 * node_modules/.package-lock.json, when an installation is complete, so a killed one is noticed and one made by hand
 * is accepted.
 */
function packagesInstalled() {
  const record = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const installed = readJson(record).packages ?? {};
  return Object.entries(readJson(path.join(root, "package-lock.json")).packages).every(([place, wanted]) => {
    const found = installed[place];
    if (place === "" || !place.includes("node_modules/")) return true;
    // Packages for other platforms are in the lock file and not in the tree.
    if (found === undefined) return wanted.optional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

async function installPackages() {
  if (packagesInstalled()) return;
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js")
    ? [process.execPath, process.env.npm_execpath]
    : ["npm"];
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--no-progress"];
  // Tells within seconds that a registry is out of reach.
  args.push("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000");
  const started = Date.now();
  const show = (end) => {
    const text = `Installing npm packages (npm ci) … ${Math.round((Date.now() - started) / 1000)} s`;
    if (process.stderr.isTTY) process.stderr.write(`\r${text}${end}`);
    else process.stderr.write(`${text}\n`);
  };
  show("");
  const timer = setInterval(() => show(""), process.stderr.isTTY ? 1_000 : 10_000);
  const { code, output } = await new Promise((resolve, reject) => {
    const child = spawn(npm[0], [...npm.slice(1), ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", reject).on("close", (code) => {
      resolve({ code, output });
    });
  })
    .catch((error) => ({
      code: 1,
      output: error.code === "ENOENT" ? "there is no `npm` on PATH" : error.message,
    }))
    .finally(() => {
      clearInterval(timer);
      show("\n");
    });
  if (code === 0) return;
  throw new UserError(
    `The npm packages could not be installed:\n${reasons(output).join("\n")}`,
    "mend what npm reports (registry, proxy, disk space), then run the same command again",
  );
}

/** npm names the reason first and then much else. */
function reasons(output) {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => /^npm err(or|!) \S/i.test(line));
  return errors.length > 0 ? errors.slice(0, 6) : lines.slice(-6);
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

function report(error) {
  if (!(error instanceof Error)) return `Failed: ${String(error)}`;
  if (spoken.has(error.name))
    return error.hint === undefined ? error.message : `${error.message}\n  → ${error.hint}`;
  // node:util's parseArgs: a flag that the command does not know.
  if (String(error.code).startsWith("ERR_PARSE_ARGS")) return error.message;
  return `This is a bug; please report it:\n${error.stack ?? error.message}`;
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  run(process.argv.slice(2)).catch((error) => {
    // Written synchronously: a pipe would lose what is still queued when the process exits.
    writeSync(2, `${report(error)}\n`);
    // Of its own, where a command has set one for its failures.
    process.exit(process.exitCode || 1);
  });
}
