// What Pulumi runs: index.ts and all it imports as one file for each target, made by esbuild where the sources have
// changed. A loader that compiles file by file takes a second more, at every preview (docs/benchmarks.md). It checks no
// types; `npm run check` does. Plain JavaScript, since it runs before anything is compiled.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import module from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { keepNoStacks, loadPartsOnUse } from "./components/lean-sdk.cjs";

const root = import.meta.dirname;
const cache = path.join(root, ".local", "cache", "program");

const sources = ["index.ts", "package-lock.json", "program.mjs", ...below("core"), ...below("components")];
const folder = path.join(cache, hashOf(sources));
if (!existsSync(folder)) await bundle(folder);
// From Node 22.1 on, compiled code is kept for the next run, and goes when the bundle goes.
module.enableCompileCache?.(path.join(folder, "compiled"));
loadPartsOnUse();
keepNoStacks();
const { default: program } = await import(pathToFileURL(path.join(folder, "index.mjs")).href);
export default program;

function below(directory) {
  return readdirSync(path.join(root, directory), { recursive: true })
    .filter((name) => /\.(ts|json)$/.test(name))
    .map((name) => path.join(directory, name))
    .sort();
}

function hashOf(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(path.join(root, file)));
  return hash.digest("hex").slice(0, 16);
}

/** Made beside its place and renamed into it: what is there is whole, whoever else runs. */
async function bundle(target) {
  const { build } = await import("esbuild");
  const fresh = `${target}.${process.pid}`;
  await build({
    absWorkingDir: root,
    entryPoints: ["index.ts"],
    outdir: fresh,
    outExtension: { ".js": ".mjs" },
    // One file is read sooner than the hundreds of its packages.
    bundle: true,
    // A target is loaded only where it is asked for.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    sourcemap: "linked",
    logLevel: "error",
    plugins: [
      { name: "folders", setup: keepFolders },
      { name: "sdks", setup: requireSdks },
    ],
  });
  try {
    renameSync(fresh, target);
  } catch (error) {
    // Another run was first.
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  removeOld(target);
}

/** Files that are read beside their module are still beside the source, not beside the bundle. */
function keepFolders({ onLoad }) {
  onLoad({ filter: /\.ts$/ }, ({ path: file }) => ({
    contents: readFileSync(file, "utf8").replaceAll(
      "import.meta.dirname",
      JSON.stringify(path.dirname(file)),
    ),
    loader: "ts",
  }));
}

/**
 * The SDKs keep state, and must be there once: outside the bundle. They come by require(), which their files are made for;
 * Node imports such a file only after it has looked for the names that it exports.
 */
function requireSdks({ onResolve, onLoad }) {
  onResolve({ filter: /^@pulumi\// }, ({ path: name, kind }) =>
    kind === "require-call" ? { path: name, external: true } : { path: name, namespace: "sdk" },
  );
  onLoad({ filter: /./, namespace: "sdk" }, ({ path: name }) => ({
    contents: `module.exports = require(${JSON.stringify(name)});`,
  }));
}

/** Those of earlier sources, but for what another run may be loading. */
function removeOld(current) {
  const hour = 3_600_000;
  for (const name of readdirSync(cache)) {
    const other = path.join(cache, name);
    if (other !== current && Date.now() - statSync(other).mtimeMs > hour)
      rmSync(other, { recursive: true, force: true });
  }
}
