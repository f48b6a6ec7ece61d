import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { attack, type Attack } from "../../commands/bench/load/vegeta.ts";
import { askBalancer, tritonVersion } from "../../commands/bench/load/triton.ts";
import { UserError } from "../../commands/setup/user-error.ts";
import { certificateHint } from "../../commands/stack/access.ts";
import { windowOf } from "../../core/benchmark/calls.ts";
import { makeCertificate } from "../support/certificates.ts";
import { needing, openssl, vegeta } from "../support/tools.ts";

/** What a server saw of the calls. */
interface Seen {
  requests: { readonly headers: http.IncomingHttpHeaders; readonly version: string; readonly body: string }[];
  connections: number;
  /** Calls under way at most. */
  atOnce: number;
}

interface Server {
  readonly url: string;
  readonly seen: Seen;
}

type Answer = (response: http.ServerResponse, count: number) => void;

const apiKey = "key-of-the-vegeta-test";
const ok: Answer = (response) => response.end("{}");

describe.skipIf(vegeta.program === undefined || openssl.program === undefined)(
  needing(openssl, needing(vegeta, "HTTP load by vegeta")),
  () => {
    const program = vegeta.program ?? "";
    const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-vegeta-test-"));
    const at = (name: string): string => path.join(folder, name);
    const servers: http.Server[] = [];

    beforeAll(() => {
      for (const authority of ["ca", "other"]) makeCertificate(folder, authority, authority);
      makeCertificate(folder, "server", "server", "ca");
      makeCertificate(folder, "client", "client", "ca");
    });
    afterEach(() => {
      for (const server of servers.splice(0)) {
        server.closeAllConnections();
        server.close();
      }
    });
    afterAll(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    async function serve(answer: Answer, tls?: https.ServerOptions): Promise<Server> {
      const seen: Seen = { requests: [], connections: 0, atOnce: 0 };
      let underWay = 0;
      const listener: http.RequestListener = (request, response) => {
        seen.atOnce = Math.max(seen.atOnce, ++underWay);
        response.on("close", () => {
          underWay -= 1;
        });
        let body = "";
        request.setEncoding("utf8").on("data", (part: string) => (body += part));
        request.on("end", () => {
          seen.requests.push({ headers: request.headers, version: request.httpVersion, body });
          answer(response, seen.requests.length);
        });
      };
      const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
      server.on(tls === undefined ? "connection" : "secureConnection", () => (seen.connections += 1));
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("the server has no port");
      return {
        url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${String(address.port)}/infer`,
        seen,
      };
    }

    function encrypted(options: https.ServerOptions = {}): https.ServerOptions {
      return { cert: readFileSync(at("server.crt")), key: readFileSync(at("server.key")), ...options };
    }

    function load(url: string, rest: Partial<Attack> = {}): ReturnType<typeof attack> {
      return attack(program, {
        ...{ url, headers: { "x-api-key": apiKey, "content-type": "application/json" }, body: '{"a":1}' },
        ...{ callers: 1, bound: { requests: 1 }, timeoutSeconds: 10, tls: {} },
        signal: new AbortController().signal,
        ...rest,
      });
    }

    it("makes as many calls as it is asked for, each caller one at a time on a connection of its own", async () => {
      // Callers that waited for one another would never be all under way.
      const waiting: http.ServerResponse[] = [];
      const { url, seen } = await serve((response, count) => {
        if (count > 4) response.end("{}");
        else if (waiting.push(response) === 4) for (const each of waiting) each.end("{}");
      });
      const calls = await load(url, { callers: 4, bound: { requests: 250 } });
      expect(calls).toHaveLength(250);
      expect(calls.flatMap(({ failure }) => failure ?? [])).toEqual([]);
      expect(seen).toMatchObject({ connections: 4, atOnce: 4 });
      expect(seen.requests).toHaveLength(250);
      expect(new Set(seen.requests.map(({ body }) => body))).toEqual(new Set(['{"a":1}']));
      const [{ headers, version } = { headers: {}, version: "" }] = seen.requests;
      expect(version).toBe("1.1");
      // Triton compresses answers for a client that takes them so.
      expect(headers).toMatchObject({ "accept-encoding": "identity", "content-type": "application/json" });
    });

    it("ends by time, and waits for what is under way then", async () => {
      const { url, seen } = await serve(ok);
      const before = Date.now();
      const calls = await load(url, { callers: 2, bound: { seconds: 0.3 } });
      expect(calls).toHaveLength(seen.requests.length);
      expect(calls.flatMap(({ failure }) => failure ?? [])).toEqual([]);
      const { from, to } = windowOf(calls);
      expect(from).toBeGreaterThan(before - 1);
      expect(to).toBeLessThan(Date.now() + 1);
      expect(to - from).toBeGreaterThan(250);
    });

    it("tells failures by their kind, and follows no redirection", async () => {
      const elsewhere = await serve(ok);
      const { url } = await serve((response, count) => {
        if (count === 1) response.writeHead(503).end("no");
        else if (count === 2) response.writeHead(307, { location: elsewhere.url }).end();
        else if (count === 3) response.destroy();
        else if (count > 4) response.end("{}");
      });
      const calls = await load(url, { bound: { requests: 5 }, timeoutSeconds: 1 });
      expect(calls.map(({ failure }) => failure)).toEqual(["503", "307", "connection", "timeout", undefined]);
      expect(elsewhere.seen.requests).toEqual([]);
      const [closed] = servers.splice(0);
      const gone = await serve(ok);
      for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
      closed?.close();
      expect(await load(gone.url)).toMatchObject([{ failure: "connection" }]);
    });

    it("believes the authority that it is told and no other", async () => {
      const { url, seen } = await serve(ok, encrypted());
      const calls = await load(url, { tls: { ca: at("ca.crt") } });
      expect(calls.map(({ failure }) => failure)).toEqual([undefined]);
      expect(seen.requests[0]?.headers["x-api-key"]).toBe(apiKey);
      for (const tls of [{ ca: at("other.crt") }, {}]) {
        const error = await load(url, { tls, bound: { requests: 3 } }).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(UserError);
        expect(error).toMatchObject({
          message: `${url} cannot be called: tls: failed to verify certificate: x509: certificate signed by unknown authority`,
          hint: certificateHint,
        });
        // So says Node, which asks first what there is to measure.
        const endpoint = { http: new URL(url).origin, grpc: "", isEncrypted: true, tls };
        await expect(tritonVersion(askBalancer(endpoint))).rejects.toMatchObject({ hint: certificateHint });
      }
      // Nobody else has seen the key.
      expect(seen.requests).toHaveLength(1);
    });

    it("shows its own certificate where it has one", async () => {
      const { url } = await serve(
        ok,
        encrypted({ ca: readFileSync(at("ca.crt")), requestCert: true, rejectUnauthorized: true }),
      );
      const ca = at("ca.crt");
      const own = { ca, certificate: at("client.crt"), key: at("client.key") };
      expect((await load(url, { tls: own })).map(({ failure }) => failure)).toEqual([undefined]);
      await expect(load(url, { tls: { ca } })).rejects.toThrow(/certificate required/);
      await expect(load(url, { tls: { ...own, ca: at("client.key") } })).rejects.toThrow(UserError);
    });

    it("keeps the key out of arguments and environments", async () => {
      let running: readonly string[] = [];
      const { url } = await serve((response) => {
        running = readdirSync("/proc")
          .filter((name) => /^\d+$/.test(name))
          .flatMap((pid) => [processFile(pid, "cmdline"), processFile(pid, "environ")]);
        response.end("{}");
      });
      await load(url);
      expect(running.filter((text) => text.startsWith(program))).toHaveLength(1);
      expect(running.filter((text) => text.includes(apiKey))).toEqual([]);
    });

    it("is stopped in the midst of its calls", async () => {
      const stop = new AbortController();
      const { url } = await serve((response, count) => {
        if (count === 20) stop.abort();
        response.end("{}");
      });
      expect(await load(url, { bound: { seconds: 60 }, signal: stop.signal })).toEqual([]);
    });
  },
);

/** Empty where the process has gone. */
function processFile(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}
