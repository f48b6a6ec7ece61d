import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { balancerEntries } from "../../../core/haproxy/backends.ts";
import { platform, type Platform } from "../../support/platform-arbitraries.ts";
import { fileOf, localPlanOf, twoGroups } from "../../support/local.ts";
import { modelOf, platformOf } from "../../support/models.ts";
import { haproxy, needing, runTool } from "../../support/tools.ts";

const configOf = (...args: Parameters<typeof localPlanOf>): string =>
  fileOf(localPlanOf(...args), "haproxy-config");

/** Words of every line that starts with these, without them. */
function linesOf(config: string, ...start: readonly string[]): string[][] {
  return config
    .split("\n")
    .map((line) => line.trim().split(/ +/))
    .filter((words) => start.every((word, i) => words[i] === word))
    .map((words) => words.slice(start.length));
}

/** Every `server` line as `backend/server`. */
function serversOf(config: string): string[] {
  let backend = "";
  return config.split("\n").flatMap((line) => {
    const [keyword, name = ""] = line.trim().split(/ +/);
    if (keyword === "backend") backend = name;
    return keyword === "server" ? [`${backend}/${name}`] : [];
  });
}

/** Names that the file's own words, backends and ACLs are made of; each server has one model. */
const confusing = platformWithServers([
  ...["a", "a-conversations", "conversations", "of-a", "http", "grpc", "metrics"],
  ...["or", "if", "unless", "found", "eq", "lt"],
]);

function platformWithServers(names: readonly string[]): Platform {
  return {
    models: names.map((name) => modelOf(`model-of-${name}`, { conversationAffinity: true })),
    config: platformOf({
      defaultServer: names[0] ?? "",
      servers: Object.fromEntries(names.map((name) => [name, { models: [`model-of-${name}`] }])),
    }),
  };
}

describe("haproxy.cfg", () => {
  it("of two groups is as the golden file has it", async () => {
    await expect(configOf(twoGroups)).toMatchFileSnapshot("golden/haproxy.txt");
  });

  it("leads each model to its own group, and those of the default group to no other", () => {
    fc.assert(
      fc.property(platform, ({ models, config }) => {
        const text = configOf({ models, config });
        const routed = new Map<string, string[]>();
        for (const [acl = "", , , , ...names] of linesOf(text, "acl")) {
          if (!acl.startsWith("model-of-")) continue;
          const server = acl.slice("model-of-".length);
          for (const name of names) routed.set(name, [...(routed.get(name) ?? []), server]);
        }
        const wanted = Object.entries(config.servers).flatMap(([server, { models: names = [] }]) =>
          names.map((name): [string, string[]] => [name, [server]]),
        );
        expect(routed).toEqual(new Map(wanted));
        expect(linesOf(text, "default_backend")[0]).toEqual([`http-${config.defaultServer}`]);
      }),
      { numRuns: 30 },
    );
  });

  it("forbids the replay of every model whose calls cost money, and of no other", () => {
    fc.assert(
      fc.property(platform, ({ models, config }) => {
        const text = configOf({ models, config });
        const forbidden = linesOf(text, "acl", "call-of-costly-model").flatMap((words) => words.slice(3));
        const costly = models.filter(({ spec }) => !spec.idempotent).map(({ spec }) => spec.name);
        expect(forbidden.sort()).toEqual(costly.sort());
        expect(linesOf(text, "http-request", "disable-l7-retry")).toHaveLength(costly.length === 0 ? 0 : 1);
      }),
      { numRuns: 30 },
    );
  });

  it("has the backends and servers that a drain addresses, and no others", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const plan = localPlanOf(any);
        const entries = plan.servers.flatMap((server) =>
          server.replicas.flatMap((replica) => {
            const { http, grpc } = balancerEntries(server, replica);
            return [...http, ...grpc];
          }),
        );
        expect(serversOf(fileOf(plan, "haproxy-config")).sort()).toEqual(entries.sort());
        expect(new Set(entries).size).toBe(entries.length);
      }),
      { numRuns: 30 },
    );
  });

  it("defines every name once, and uses none that it does not define", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const text = configOf(any);
        const backends = linesOf(text, "backend").map(([name = ""]) => name);
        expect(new Set(backends).size).toBe(backends.length);
        const used = [...linesOf(text, "use_backend"), ...linesOf(text, "default_backend")];
        expect(new Set(used.map(([name = ""]) => name))).toEqual(new Set(backends));
        const listeners = linesOf(text, "bind").map(([address = ""]) => address);
        expect(new Set(listeners).size).toBe(listeners.length);
      }),
      { numRuns: 30 },
    );
  });

  it("tells servers apart that are named like each other's backends", () => {
    const servers = serversOf(configOf(confusing));
    expect(new Set(servers).size).toBe(servers.length);
    const acls = linesOf(configOf(confusing), "acl").map(([name = ""]) => name);
    expect(new Set(acls).size).toBe(acls.length);
  });

  it("gives every backend the patience of its own models", () => {
    const text = configOf(twoGroups);
    const waits = text.split("\n\n").flatMap((block) => linesOf(block, "timeout", "server"));
    // The whole balancer waits as long as the slowest group's clients may.
    expect(waits.flat()).toEqual(["135s", "15s", "15s", "130s", "130s", "130s", "130s"]);
  });
});

describe.skipIf(haproxy.program === undefined)(needing(haproxy, "haproxy.cfg, judged by haproxy -c"), () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "haproxy-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function judge(text: string): string {
    const file = path.join(folder, "haproxy.cfg");
    writeFileSync(file, text);
    return runTool(haproxy, ["-c", "-f", file]);
  }

  it("is valid for two groups", () => {
    expect(judge(configOf(twoGroups))).toContain("Configuration file is valid");
  });

  it("is valid for any platform", () => {
    fc.assert(
      fc.property(platform, (any) => {
        judge(configOf(any));
      }),
      { numRuns: 20 },
    );
  });

  it("is valid where servers are named like other parts of the file", () => {
    judge(configOf(confusing));
  });

  it("is valid for 150 models with the longest names there are", () => {
    const models = Array.from({ length: 150 }, (_, i) =>
      modelOf(`${"m".repeat(252)}${String(i).padStart(3, "0")}`, {
        idempotent: false,
        conversationAffinity: true,
      }),
    );
    const names = models.map(({ spec }) => spec.name);
    const config = platformOf({ servers: { gpu: {}, many: { models: names } } });
    judge(configOf({ models: [...models, modelOf("rest")], config }));
  });
});
