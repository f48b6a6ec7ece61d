import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { withClusterJob, type ClusterJobOptions } from "../../commands/bench/load/cluster-job.ts";
import { kubernetesSectionSchema } from "../../core/spec/kubernetes.ts";

/**
 * A stand-in for kubectl: it writes down what it is asked, answers as an API server does, and runs what is to be executed in a
 * pod here. `perf_analyzer` is a stand-in too.
 */
const kubectl = `#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/asked"
case "$*" in
  *"create --filename=- --output=json"*) cat >> "$here/objects"; echo '{"metadata":{"uid":"u-1"}}' ;;
  *"create --filename=-"*) cat >> "$here/objects" ;;
  *"get pods"*) echo '{"items":[{"metadata":{"name":"pod-1"},"spec":{"nodeName":"node-1"}}]}' ;;
  *"wait pods"*) [ ! -f "$here/no-pod" ] || { echo "error: timed out waiting for the condition" >&2; exit 1; } ;;
  *" exec "*) while [ "$1" != "--" ]; do shift; done; shift; exec "$@" ;;
esac
`;
const perfAnalyzer = `#!/bin/sh
[ "$1" != "--version" ] || { echo "Perf Analyzer Version 2.51.0 (commit unknown)"; exit 0; }
`;

describe("the load of a pod", () => {
  let folder: string;
  const pathBefore = process.env.PATH;
  const at = (name: string): string => path.join(folder, name);
  const read = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : "");

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-kubectl-"));
    for (const [name, text] of Object.entries({ kubectl, perf_analyzer: perfAnalyzer })) {
      writeFileSync(at(name), text);
      chmodSync(at(name), 0o755);
    }
    writeFileSync(at("ca.crt"), "AUTHORITY");
    process.env.PATH = `${folder}:${pathBefore ?? ""}`;
  });
  afterAll(() => {
    process.env.PATH = pathBefore;
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    for (const name of ["asked", "objects", "no-pod"]) rmSync(at(name), { force: true });
  });

  const options = (changes: Partial<ClusterJobOptions> = {}): ClusterJobOptions => ({
    kubernetes: { ...kubernetesSectionSchema.parse({ namespace: "serving" }), context: "there" },
    endpoint: {
      ...{ http: "https://triton-balancer.serving.svc:8000", grpc: "triton-balancer.serving.svc:8001" },
      ...{ isEncrypted: true, apiKey: "tp-planted-key", tls: { ca: at("ca.crt") } },
    },
    servers: ["gpu"],
    image: "registry.example.com/sdk:26.07",
    cpu: 2,
    deadline: 600,
    progress: () => undefined,
    signal: new AbortController().signal,
    ...changes,
  });
  const removals = (): number =>
    read("asked")
      .split("\n")
      .filter((line) => line.includes(" delete job ")).length;

  it("comes from perf_analyzer in it, by the authorities that it has there, and is removed afterwards", async () => {
    const seen = await withClusterJob(options(), ({ generator, endpoint }) => {
      expect(removals()).toBe(0);
      return Promise.resolve({ ...generator, ca: endpoint.tls.ca });
    });
    expect(seen).toMatchObject({ name: "perf_analyzer", version: "2.51.0", from: "node node-1" });
    expect(seen.ca).toBe("/run/benchmark/ca.crt");
    expect(removals()).toBe(1);
    expect(read("asked")).toContain("--context=there --namespace=serving");
  });

  it("never has a key among arguments; it is in a Secret that goes with the Job", async () => {
    await withClusterJob(options(), () => Promise.resolve());
    expect(read("asked")).not.toContain("tp-planted-key");
    const [job, list] = read("objects").split(/(?<=\})(?=\{"apiVersion":"v1","kind":"List")/);
    expect(job).not.toContain("tp-planted-key");
    const { items } = z
      .object({
        items: z.array(
          z.looseObject({
            kind: z.string(),
            metadata: z.object({ ownerReferences: z.array(z.object({ kind: z.string(), uid: z.string() })) }),
          }),
        ),
      })
      .parse(JSON.parse(list ?? ""));
    expect(items.map(({ kind }) => kind)).toEqual(["Secret", "NetworkPolicy", "NetworkPolicy"]);
    for (const { metadata } of items) expect(metadata.ownerReferences).toEqual([{ kind: "Job", uid: "u-1" }]);
    expect(items[0]).toMatchObject({ stringData: { "api-key": "tp-planted-key", "ca.crt": "AUTHORITY" } });
  });

  it("is removed where the work fails, with the work's own error", async () => {
    await expect(withClusterJob(options(), () => Promise.reject(new Error("broken")))).rejects.toThrow(
      "broken",
    );
    expect(removals()).toBe(1);
  });

  it("is removed where its pod never comes", async () => {
    writeFileSync(at("no-pod"), "");
    await expect(withClusterJob(options(), () => Promise.resolve())).rejects.toThrow("timed out waiting");
    expect(removals()).toBe(1);
  });

  it("is removed where it is interrupted", async () => {
    const stopped = new AbortController();
    const done = withClusterJob(options({ signal: stopped.signal }), async () => {
      stopped.abort(new Error("Ctrl-C"));
      await Promise.resolve();
      throw new Error("Ctrl-C");
    });
    await expect(done).rejects.toThrow("Ctrl-C");
    expect(removals()).toBe(1);
  });

  it("is as restricted as every pod of the platform, and ends by itself", async () => {
    await withClusterJob(options(), () => Promise.resolve());
    const [job] = read("objects").split(/(?<=\})(?=\{"apiVersion":"v1","kind":"List")/);
    expect(JSON.parse(job ?? "")).toMatchObject({
      spec: {
        activeDeadlineSeconds: 600,
        ttlSecondsAfterFinished: 300,
        template: {
          spec: {
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
            containers: [
              {
                securityContext: {
                  allowPrivilegeEscalation: false,
                  capabilities: { drop: ["ALL"] },
                  readOnlyRootFilesystem: true,
                },
              },
            ],
          },
        },
      },
    });
  });
});
