import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { podReplicas, type ContainerHost } from "../../commands/bench/load/container-hosts.ts";
import { withContainers } from "../../commands/bench/load/container-replicas.ts";
import { ContainerSession } from "../../commands/bench/load/container-session.ts";
import { readDuring } from "../../commands/bench/load/metrics.ts";
import { fixedReplicas, type Replica, type Replicas } from "../../commands/bench/load/replicas.ts";
import { askReplica, instancesOf, tritonVersion } from "../../commands/bench/load/triton.ts";
import { parseAnswer, splitAnswers } from "../../core/benchmark/replica-shell.ts";
import { specOf } from "../support/models.ts";

describe("a session in a container", () => {
  let server: Server;
  let port: number;

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === "/silent") return;
      response.statusCode = request.url === "/missing" ? 404 : 200;
      response.end(`${request.url ?? ""} é\r\n\r\n${"x".repeat(200_000)}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("it has no port");
    ({ port } = address);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  /** In bash here, as in a container. */
  const session = (): ContainerSession => new ContainerSession(["env"]);

  it("answers in the order it was asked, whole, however many ask at once", async () => {
    const asked = session();
    const pages = ["/a", "/b", "/c"];
    const answers = await Promise.all(pages.map((page) => asked.get(port, page)));
    expect(answers).toEqual(pages.map((page) => `${page} é\r\n\r\n${"x".repeat(200_000)}`));
    await asked.end();
    expect(asked.isOver).toBe(true);
  });

  it("goes on after what is no success, and after a port where nobody listens", async () => {
    const asked = session();
    await expect(asked.get(port, "/missing")).rejects.toThrow(/missing: it answers 404/);
    await expect(asked.get(1, "/metrics")).rejects.toThrow(/port 1, \/metrics: /);
    await expect(asked.get(port, "/a")).resolves.toContain("/a");
    await asked.end();
  });

  it("ends with its container, and says why", async () => {
    const asked = new ContainerSession([
      "sh",
      "-c",
      "read line; echo 'error: container not found' >&2; exit 1",
    ]);
    await expect(asked.get(port, "/a")).rejects.toThrow("error: container not found");
    expect(asked.isOver).toBe(true);
    await expect(asked.get(port, "/a")).rejects.toThrow("gone");
    await asked.end();
  });

  it("is ended with all that it started where it does not end by itself", async () => {
    // It is over when nobody holds its output any more.
    const asked = new ContainerSession(["sh", "-c", "sleep 600 & exec sleep 600"]);
    const failed = expect(asked.get(port, "/a")).rejects.toThrow("sh has ended");
    await asked.end();
    await failed;
  });

  it("is none without its program", async () => {
    const asked = new ContainerSession(["no-such-program"]);
    await expect(asked.get(port, "/a")).rejects.toThrow(/ENOENT/);
    await asked.end();
  });
});

test("answers are the same however they are cut", () => {
  const text = fc.string({ unit: "grapheme" }).map((each) => each.replaceAll("\0", ""));
  fc.assert(
    fc.property(fc.array(text), fc.array(fc.nat(200)), (answers, cuts) => {
      const all = answers.map((answer) => `${answer}\0`).join("");
      const places = [0, ...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b), all.length];
      let rest = "";
      const seen = places.slice(1).flatMap((end, i) => {
        const split = splitAnswers(rest + all.slice(places[i], end));
        rest = split.rest;
        return split.whole;
      });
      expect(seen).toEqual(answers);
      expect(rest).toBe("");
    }),
  );
});

test("an answer has a status and a body, whatever is in it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), fc.string(), (status, body) => {
      const head = `HTTP/1.1 ${String(status)} Some Words\r\nContent-Type: text/plain`;
      expect(parseAnswer(`${head}\r\n\r\n${body}`)).toEqual({ status, body });
    }),
  );
  expect(parseAnswer("")).toBeUndefined();
});

/** What stands for a program that runs others in containers: it answers every question itself. */
const answering = [
  "sh",
  "-c",
  `while read -r port path; do printf 'HTTP/1.0 200 OK\\r\\n\\r\\n%s %s\\0' "$port" "$path"; done`,
];
const refusing = ["sh", "-c", "echo 'Error from server (Forbidden): no pods/exec' >&2; exit 1"];

describe("the replicas of a stack", () => {
  /** Containers with what runs programs in them. */
  type Groups = Record<string, readonly (readonly [name: string, command: readonly string[]])[]>;
  const host = (groups: Groups): ContainerHost => ({
    list: (server) => Promise.resolve((groups[server] ?? []).map(([name, command]) => ({ name, command }))),
    hint: "the hint",
  });
  const namesOf = (replicas: readonly Replica[]): string[] => replicas.map(({ name }) => name);

  it("are asked by their ports, the same ones again where nothing changed", async () => {
    const containers = host({
      gpu: [
        ["a", answering],
        ["b", answering],
      ],
    });
    const notes: string[] = [];
    await withContainers(
      containers,
      ["gpu"],
      (text) => notes.push(text),
      async (replicas) => {
        const [first] = replicas.of("gpu");
        expect(await first?.get("metrics", "/metrics")).toBe("8002 /metrics");
        expect(await first?.get("http", "/v2")).toBe("8000 /v2");
        expect(await replicas.find("gpu")).toEqual(replicas.of("gpu"));
        expect(namesOf(replicas.of("gpu"))).toHaveLength(2);
        expect(replicas.of("other")).toEqual([]);
      },
    );
    expect(notes).toEqual([]);
  });

  it("have other names where one came, went or began anew", async () => {
    const groups: Groups = {
      gpu: [
        ["a", answering],
        ["b", answering],
      ],
    };
    await withContainers(
      host(groups),
      ["gpu"],
      () => undefined,
      async (replicas) => {
        const before = namesOf(replicas.of("gpu"));
        groups.gpu = [
          ["b", answering],
          ["c", answering],
        ];
        const after = namesOf(await replicas.find("gpu"));
        expect(after[0]).toBe(before[1]);
        expect(before).not.toContain(after[1]);
        groups.gpu = [
          ["b", answering],
          ["c", refusing],
        ];
        expect(namesOf(await replicas.find("gpu"))).toEqual(after);
        groups.gpu = [
          ["b", answering],
          ["d", refusing],
        ];
        expect(await replicas.find("gpu")).toEqual([]);
        groups.gpu = [["b", answering]];
        expect(namesOf(await replicas.find("gpu"))).toHaveLength(1);
      },
    );
  });

  it("are left out where they cannot be asked, with one note for all groups", async () => {
    const containers = host({
      gpu: [
        ["a", answering],
        ["b", refusing],
      ],
      cpu: [["c", refusing]],
      llm: [["d", answering]],
    });
    const notes: string[] = [];
    const seen = await withContainers(
      containers,
      ["gpu", "cpu", "llm"],
      (text) => notes.push(text),
      (replicas) =>
        Promise.all(["gpu", "cpu", "llm"].map(async (name) => (await replicas.find(name)).length)),
    );
    expect(seen).toEqual([0, 0, 1]);
    expect(notes).toEqual([
      "Triton's own metrics of gpu, cpu cannot be read: Error from server (Forbidden): no pods/exec\n" +
        "  → points have no queue and compute times, and no GPUs; the hint",
    ]);
  });

  it("are left out where they are too many", async () => {
    const many = Array.from({ length: 33 }, (_, i) => [String(i), answering] as const);
    const notes: string[] = [];
    await withContainers(
      host({ gpu: many }),
      ["gpu"],
      (text) => notes.push(text),
      (replicas) => {
        expect(replicas.of("gpu")).toEqual([]);
        return Promise.resolve();
      },
    );
    expect(notes).toEqual([expect.stringContaining("it has 33 replicas, and 32 are asked at most")]);
  });

  it("have no session left where the work fails", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "tp-session-"));
    const file = path.join(folder, "pid");
    const [, , script = ""] = answering;
    const command = ["sh", "-c", `echo $$ > ${file}; ${script}`];
    const work = withContainers(
      host({ gpu: [["a", command]] }),
      ["gpu"],
      () => undefined,
      () => {
        process.kill(Number(readFileSync(file, "utf8")), 0);
        return Promise.reject(new Error("broken"));
      },
    );
    await expect(work).rejects.toThrow("broken");
    expect(() => process.kill(Number(readFileSync(file, "utf8")), 0)).toThrow("ESRCH");
    rmSync(folder, { recursive: true });
  });
});

describe("pods as replicas", () => {
  const pathBefore = process.env.PATH;
  let folder: string;
  const kubectl = (script: string): void => {
    writeFileSync(path.join(folder, "kubectl"), `#!/bin/sh\necho "$*" >> ${folder}/asked\n${script}\n`);
    chmodSync(path.join(folder, "kubectl"), 0o755);
  };

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-pods-"));
    process.env.PATH = `${folder}:${pathBefore ?? ""}`;
  });
  afterAll(() => {
    process.env.PATH = pathBefore;
    rmSync(folder, { recursive: true, force: true });
  });

  const access = { namespace: "serving", context: "there", kubeconfig: "/here/kubeconfig" };

  it("are those of the group that are ready and stay", async () => {
    const pod = (name: string, ready: string, going = {}): object => ({
      metadata: { name, ...going },
      status: { conditions: [{ type: "Ready", status: ready }] },
    });
    const items = [
      pod("a", "True"),
      pod("b", "False"),
      pod("c", "True", { deletionTimestamp: "2026-11-29T00:00:00Z" }),
      { metadata: { name: "d" }, status: {} },
    ];
    kubectl(`echo '${JSON.stringify({ items })}'`);
    const flags = ["--kubeconfig=/here/kubeconfig", "--context=there", "--namespace=serving"];
    expect(await podReplicas(access).list("gpu")).toEqual([
      { name: "a", command: ["kubectl", ...flags, "exec", "--stdin", "a", "--container=triton", "--"] },
    ]);
    const selector =
      "app.kubernetes.io/name=triton-server,app.kubernetes.io/part-of=triton-platform,app.kubernetes.io/instance=gpu";
    expect(readFileSync(path.join(folder, "asked"), "utf8")).toContain(
      `${flags.join(" ")} get pods --selector=${selector} --output=json`,
    );
  });

  it("are none where kubectl may not list them, or is not there", async () => {
    kubectl(
      `echo 'Error from server (Forbidden): pods is forbidden: User "ci" cannot list resource "pods"' >&2; exit 1`,
    );
    await expect(podReplicas(access).list("gpu")).rejects.toThrow('User "ci" cannot list resource "pods"');
    const before = process.env.PATH;
    process.env.PATH = "/nowhere";
    await expect(podReplicas(access).list("gpu")).rejects.toThrow(/kubectl ENOENT/);
    process.env.PATH = before;
  });
});

describe("metrics during a load", () => {
  const page = (requests: number): string =>
    `nv_inference_request_success{model="a",version="1"} ${String(requests)}\n`;
  /** Its counter grows with each reading. */
  function counting(name: string): Replica {
    let count = 0;
    return { name, get: () => Promise.resolve(page((count += 1))) };
  }
  const ended = (): AbortSignal => AbortSignal.abort();
  const counts = (pages: readonly { readonly samples?: readonly { readonly value: number }[] }[]): unknown =>
    pages.map(({ samples }) => samples?.map(({ value }) => value));

  it("are read at the begin and at the end, of the same replicas", async () => {
    const replicas = fixedReplicas(new Map([["gpu", [counting("a"), counting("b")]]]));
    const from = Date.now();
    const { before, after, all } = await readDuring(
      replicas,
      "gpu",
      { from, to: from + 50 },
      new AbortController().signal,
    ).whole;
    expect(counts(before)).toEqual([[1], [1]]);
    expect(counts(after)).toEqual([[all.length], [all.length]]);
    expect(all.length).toBeGreaterThan(1);
  });

  it("have no end where another replica came", async () => {
    const [a, b] = [counting("a"), counting("b")];
    const replicas: Replicas = { of: () => [a], find: () => Promise.resolve([a, b]) };
    const { before, after } = await readDuring(replicas, "gpu", { from: 0 }, ended()).whole;
    expect(before).toHaveLength(1);
    expect(after).toEqual([]);
  });

  it("tell which replica did not answer", async () => {
    const silent: Replica = { name: "b", get: () => Promise.reject(new Error("gone")) };
    const replicas = fixedReplicas(new Map([["gpu", [counting("a"), silent]]]));
    const { after } = await readDuring(replicas, "gpu", { from: 0 }, ended()).whole;
    expect(counts(after)).toEqual([[1], undefined]);
  });
});

test("a replica says its version and its instances as the balancer does", async () => {
  const answers: Record<string, unknown> = {
    "/v2": { name: "triton", version: "2.71.0" },
    "/v2/models/m/config": { instance_group: [{ kind: "KIND_GPU", count: 2, gpus: [0, 1] }] },
  };
  const ask = askReplica({
    name: "a",
    get: (port, page) => Promise.resolve(JSON.stringify(port === "http" ? answers[page] : {})),
  });
  expect(await tritonVersion(ask)).toBe("2.71.0");
  expect(await instancesOf(ask, { spec: specOf("m") })).toBe(4);
});
