// What Pulumi's SDK does in every program for the few that need it, done here when it is needed. CommonJS, since the SDK is
// and policy packs are; plain JavaScript, since it runs before anything is compiled.
const Module = require("node:module");

/**
 * Two thirds of what loading the SDK takes are the TypeScript compiler and npm's resolver of dependencies, for programs that
 * ship functions of theirs to the cloud, and the Automation API, for programs that run Pulumi: 600 modules of 870. Each is
 * loaded when something of it is used. To be called before anything imports `@pulumi/pulumi`.
 */
function loadPartsOnUse() {
  loadOnUse("runtime/closure/serializeClosure.js", forwarding);
  loadOnUse("runtime/closure/codePaths.js", forwarding);
  loadOnUse("automation/index.js", loading);
}

/** In Node's cache of modules stands one that loads the real one, and takes its place, when something is taken from it. */
function loadOnUse(file, handlerOf) {
  const name = resolved(`@pulumi/pulumi/${file}`);
  if (name === undefined || require.cache[name] !== undefined) return;
  const door = new Module(name);
  const load = () => {
    if (require.cache[name] === door) delete require.cache[name];
    return require(name);
  };
  Object.assign(door, { filename: name, loaded: true, exports: new Proxy({}, handlerOf(load)) });
  require.cache[name] = door;
}

/** Undefined in another release of the SDK, which has its parts elsewhere: that one is loaded whole. */
function resolved(module) {
  try {
    return require.resolve(module);
  } catch {
    return undefined;
  }
}

/** For modules of functions, which the SDK takes when it is loaded, and calls later. */
const forwarding = (load) => ({
  get: (_, name) => (name === "__esModule" ? true : (...args) => load()[name](...args)),
});

/** For modules that the SDK passes on as they are. */
const loading = (load) => ({
  get: (_, name) => (name === "__esModule" ? true : load()[name]),
  has: (_, name) => name in load(),
});

/**
 * With every resource the SDK keeps the stacks of errors that nobody threw, and its language host maps each frame to its
 * source: a third of the time of a large stack. Those have no message, and get no frames; so the state has no positions of
 * resources in the sources. What is thrown keeps one frame, which says where. NODE_OPTIONS=--stack-trace-limit=30 keeps all.
 */
function keepNoStacks() {
  if (process.env.NODE_OPTIONS?.includes("--stack-trace-limit")) return;
  Error.stackTraceLimit = 1;
  const mapped = Error.prepareStackTrace;
  if (mapped !== undefined)
    Error.prepareStackTrace = (error, frames) =>
      error.message === "" ? String(error) : mapped(error, frames);
}

module.exports = { loadPartsOnUse, keepNoStacks };
