import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderHaproxyConfig } from "../../../core/haproxy/config.ts";
import type { ClusterOptions } from "../../../core/haproxy/plan.ts";
import { clusterOptions, groupsOf, writeBalancerFiles } from "../../support/balancer.ts";
import { twoGroups } from "../../support/local.ts";
import { platform, type Platform } from "../../support/platform-arbitraries.ts";
import { haproxy, needing, openssl, runTool } from "../../support/tools.ts";

const limit = fc.record({
  requests: fc.integer({ min: 1, max: 10_000_000 }),
  period: fc.integer({ min: 1, max: 12 * 24 * 3_600_000_000 }),
});

/** What a config may ask for, apart from files. */
const options: fc.Arbitrary<Partial<ClusterOptions>> = fc.record({
  rateLimits: fc.record(
    { callers: fc.dictionary(fc.stringMatching(/^[\w.@-]{1,64}$/), limit, { maxKeys: 50 }), everyone: limit },
    { requiredKeys: ["callers"] },
  ),
  maxBodySize: fc.integer({ min: 1, max: 2 ** 40 }),
  proxyProtocol: fc.boolean(),
  threads: fc.integer({ min: 1, max: 64 }),
});

function configOf(platform: Platform, folder: string, options: Partial<ClusterOptions> = {}): string {
  return renderHaproxyConfig({
    address: "*",
    httpPort: 8000,
    grpcPort: 8001,
    metricsPort: 8002,
    adminSocket: `${folder}/admin.sock`,
    servers: groupsOf(
      platform,
      (group) => ({
        hostname: `triton-${group}.x.svc.cluster.local`,
        slots: 8,
        httpPort: 8000,
        grpcPort: 8001,
      }),
      8010,
    ),
    cluster: clusterOptions(folder, options),
  });
}

const everything: Partial<ClusterOptions> = {
  tls: { certificate: "/tls/tls.crt", clientAuthorities: "/clients/ca.crt" },
  apiKeys: { file: "/keys/api-keys.map", map: "/config/api-keys.map" },
  rateLimits: {
    everyone: { requests: 50, period: 1_000_000 },
    callers: { alice: { requests: 5, period: 60_000_000 }, bob: { requests: 5, period: 60_000_000 } },
  },
  proxyProtocol: true,
};

/** The lines of each frontend that clients call. */
function clientFrontends(text: string): string[] {
  return text.split("\n\n").filter((block) => /^frontend (http|grpc)/.test(block));
}

describe("haproxy.cfg of a cluster", () => {
  it("with everything is as the golden file has it", async () => {
    await expect(configOf(twoGroups, "/run/balancer", everything)).toMatchFileSnapshot(
      "golden/haproxy-cluster.txt",
    );
  });

  it("lets nobody past the keys, the limits and the size on any of its ports", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const blocks = clientFrontends(configOf(any, "/run", everything));
        expect(blocks).toHaveLength(2 + Object.keys(any.config.servers).length);
        for (const block of blocks) {
          const lines = block.split("\n").map((line) => line.trim());
          const first = (words: string): number => lines.findIndex((line) => line.includes(words));
          const route = first("_backend ");
          const steps = [
            "set-header x-request-id",
            "shared memory is not served",
            "this needs a valid API key",
            "set-header x-caller-id %[var(txn.caller)]",
            "too many requests",
            "compressed requests are not taken",
            "the request is larger",
          ].map(first);
          expect(steps).toEqual([...steps].sort((a, b) => a - b));
          expect(steps).not.toContain(-1);
          expect(Math.max(...steps)).toBeLessThan(route);
          expect(first("del-header x-api-key")).toBeLessThan(route);
          expect(first("del-header authorization")).toBeLessThan(route);
          expect(lines[1]).toMatch(/ ssl crt \/tls\/tls\.crt alpn h2.* verify optional accept-proxy$/);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("has a gRPC port for the groups that have one, and no other", () => {
    const text = renderHaproxyConfig({
      address: "*",
      httpPort: 8000,
      grpcPort: 8001,
      metricsPort: 8002,
      adminSocket: "/run/admin.sock",
      servers: groupsOf(twoGroups, () => [], 9000).map(({ grpcPort, ...group }) =>
        group.plan.name === "llm" && grpcPort !== undefined ? { ...group, grpcPort } : group,
      ),
      cluster: clusterOptions("/run"),
    });
    expect(text.match(/frontend grpc\S*/g)).toEqual(["frontend grpc", "frontend grpc-of-llm"]);
    expect(text.match(/bind \*:9\d+/g)).toEqual(["bind *:9001"]);
  });

  it("asks for no key, counts nothing and speaks plainly where the config does not say so", () => {
    const text = configOf(twoGroups, "/run");
    expect(text).not.toMatch(
      /valid API key|stick-table|too many requests| ssl |accept-proxy|BALANCER_API_KEYS/,
    );
  });

  it("never checks a slot by a word of its own line: HAProxy gives those to the first slot only", () => {
    const text = configOf(twoGroups, "/run");
    const templates = text.split("\n").filter((line) => line.includes("server-template"));
    expect(templates).toHaveLength(6);
    for (const line of templates) expect(line).not.toMatch(/check-proto| track /);
    expect(text.match(/http-check connect port 8000 proto h1/g)).toHaveLength(6);
  });
});

describe.skipIf(haproxy.program === undefined)(
  needing(haproxy, "haproxy.cfg of a cluster, judged by haproxy -c"),
  () => {
    let folder = "";
    let apiKeys: ReturnType<typeof writeBalancerFiles>;
    beforeAll(() => {
      folder = mkdtempSync(path.join(tmpdir(), "haproxy-"));
      apiKeys = writeBalancerFiles(folder);
    });
    afterAll(() => {
      rmSync(folder, { recursive: true });
    });

    function judge(text: string): string {
      const file = path.join(folder, "haproxy.cfg");
      writeFileSync(file, text);
      // Warnings are errors.
      return runTool(haproxy, ["-c", "-dW", "-f", file]);
    }

    it("is valid for any platform and any options", () => {
      fc.assert(
        fc.property(platform, options, fc.boolean(), (any, chosen, closed) => {
          judge(configOf(any, folder, { ...chosen, ...(closed ? { apiKeys } : {}) }));
        }),
        { numRuns: 12 },
      );
    });

    it.skipIf(openssl.program === undefined)(
      needing(openssl, "is valid with TLS and certificates of clients"),
      () => {
        const [certificate, key] = [path.join(folder, "tls.crt"), path.join(folder, "tls.key")];
        const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        runTool(openssl, ["req", "-x509", ...kind, "-subj", "/CN=x", "-keyout", key, "-out", certificate]);
        for (const tls of [{ certificate }, { certificate, clientAuthorities: certificate }])
          judge(configOf(twoGroups, folder, { ...everything, apiKeys, tls }));
      },
    );
  },
);
