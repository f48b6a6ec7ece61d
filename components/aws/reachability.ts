import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { refusal } from "../target.ts";

/** Longer than any way inside a VPC or to a region takes; each try in milliseconds. */
const patience = 5_000;
/** A name that is new may not be known for some seconds. */
const tries = 3;

/**
 * Throws what to do where the API server cannot be reached from this machine: else each object that is to be made would
 * wait for its own timeout. Behind a proxy for HTTPS nothing is tried: only what uses the proxy would tell.
 */
export async function refuseUnreachable(endpoint: string): Promise<void> {
  if (process.env.HTTPS_PROXY !== undefined || process.env.https_proxy !== undefined) return;
  const { hostname, port } = new URL(endpoint);
  let reason = await failure(hostname, Number(port === "" ? 443 : port));
  for (let i = 1; i < tries && reason !== undefined; i++) {
    await delay(patience / tries);
    reason = await failure(hostname, Number(port === "" ? 443 : port));
  }
  if (reason === undefined) return;
  throw refusal(
    `The cluster's API server, ${endpoint}, cannot be reached from here: ${reason}\n` +
      "  → deploy from a network that eks.cluster.publicAccessCidrs names; where there is none the endpoint is private: " +
      'deploy from inside the VPC, or from a network connected with it (docs/eks.md, "Private endpoint")',
  );
}

/** Undefined where somebody answers. */
function failure(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (reason?: string): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.setTimeout(patience, () => {
      end(`no answer in ${String(patience / 1_000)} s`);
    });
    socket.once("connect", () => {
      end();
    });
    socket.once("error", (error) => {
      end(error.message);
    });
  });
}
