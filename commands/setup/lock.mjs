// Plain JavaScript, since commands/run.mjs uses it before there are any npm packages.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";

const retryAfterMs = 200;

/**
 * Runs `work` while no other process of this machine does the same for the same folder; others wait. The lock is an
 * abstract Unix socket: the kernel drops it with the process that holds it, so none is ever left behind. Only Linux
 * has those; elsewhere the work runs unguarded.
 */
export async function withLock(name, folder, work) {
  if (process.platform !== "linux") return work();
  const identity = createHash("sha256").update(realpathSync(folder)).digest("hex").slice(0, 24);
  const release = await acquire(`\0triton-platform-${name}-${identity}`, () => {
    process.stderr.write(`Waiting for another process that sets up ${folder} …\n`);
  });
  try {
    return await work();
  } finally {
    release();
  }
}

async function acquire(address, onWait) {
  for (let attempt = 0; ; attempt += 1) {
    const server = await listen(address);
    if (server !== undefined) return () => server.close();
    if (attempt === 0) onWait();
    await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
  }
}

function listen(address) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => {
      resolve(server.unref());
    });
  });
}
