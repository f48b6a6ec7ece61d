// What Pulumi loads by require(): pack.ts and the rules it imports, as one CommonJS file made by esbuild at each start,
// which takes less time than to find out whether anything has changed. Packages are found in the project's node_modules.
// Plain JavaScript, since it runs before anything is compiled.
const { mkdirSync, renameSync, writeFileSync } = require("node:fs");
const path = require("node:path");
const { buildSync } = require("esbuild");
const { loadPartsOnUse } = require("../components/lean-sdk.cjs");

const project = path.dirname(__dirname);
const { outputFiles } = buildSync({
  absWorkingDir: project,
  entryPoints: [path.join("policy", "pack.ts")],
  outfile: "pack.cjs",
  bundle: true,
  write: false,
  format: "cjs",
  platform: "node",
  target: "node20",
  // The SDKs keep state, and must be there once.
  external: ["@pulumi/*"],
  logLevel: "error",
});
const file = path.join(project, ".local", "cache", "policy", "pack.cjs");
mkdirSync(path.dirname(file), { recursive: true });
// Renamed into its place: what is there is whole, whoever else runs.
writeFileSync(`${file}.${process.pid}`, outputFiles[0].contents);
renameSync(`${file}.${process.pid}`, file);
loadPartsOnUse();
require(file);
