import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkBuckets, keepResults } from "../../commands/ephemeral/results.ts";
import { bucketFolderOf } from "../../core/ephemeral/results.ts";
import { ObjectStore, type Fault, stubCredentials } from "../support/object-store.ts";

/** Where results of benchmark clusters are kept: folders, and an S3 that answers as a test wants it. */

const stack = "bench-aaaaaaa1";
const MiB = 1024 ** 2;

let work: string;
let out: string;
let s3: ObjectStore;
let said: string[];

beforeEach(async () => {
  work = mkdtempSync(path.join(tmpdir(), "tp-results-"));
  out = path.join(work, "out");
  said = [];
  s3 = await ObjectStore.start("example-benchmarks");
  vi.stubEnv("AWS_ENDPOINT_URL_S3", s3.endpoint);
  stubCredentials(s3, work);
  vi.stubEnv("AWS_REGION", undefined);
  write("cluster.json", "{}");
  write("plots/latency.svg", "<svg/>");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await s3.stop();
  rmSync(work, { recursive: true, force: true });
});

function write(name: string, content: string | Buffer): void {
  const file = path.join(out, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}

function keep(...places: readonly string[]): Promise<readonly string[]> {
  return keepResults(out, places, stack, (line) => said.push(line));
}

/** So many times. */
function failing(times: number, fault: Fault): () => Fault | undefined {
  let left = times;
  return () => (left-- > 0 ? fault : undefined);
}

describe("results in S3", () => {
  it("are the whole folder, under the stack's name", async () => {
    expect(await keep("s3://example-benchmarks/triton/a100/")).toEqual([
      `s3://example-benchmarks/triton/a100/${stack}`,
    ]);
    expect([...s3.objects.keys()].sort()).toEqual([
      `triton/a100/${stack}/cluster.json`,
      `triton/a100/${stack}/plots/latency.svg`,
    ]);
    expect(await keep("s3://example-benchmarks")).toEqual([`s3://example-benchmarks/${stack}`]);
    expect(s3.objects.get(`${stack}/plots/latency.svg`)?.toString()).toBe("<svg/>");
    expect(said).toEqual([]);
  });

  it("of the same run are replaced", async () => {
    const places = ["s3://example-benchmarks", path.join(work, "kept")];
    await keep(...places);
    write("cluster.json", '{ "outcome": "complete" }');
    await keep(...places);
    expect(s3.objects.get(`${stack}/cluster.json`)?.toString()).toContain("complete");
    expect(readFileSync(path.join(work, "kept", stack, "cluster.json"), "utf8")).toContain("complete");
    expect(s3.objects.size).toBe(2);
  });

  it("are in all other places where one fails, which is said with what to mend", async () => {
    writeFileSync(path.join(work, "file"), "");
    const kept = await keep(
      ...["s3://not-there/triton", path.join(work, "file"), "s3://example-benchmarks", work],
    );
    expect(kept).toEqual([`s3://example-benchmarks/${stack}`, path.join(work, stack)]);
    expect(said).toEqual([
      expect.stringMatching(
        /^Results are not in s3:\/\/not-there\/triton: .*there is no bucket not-there\n {2}→/,
      ),
      expect.stringContaining(`Results are not in ${path.join(work, "file")}: `),
    ]);
  });

  it.each(["ExpiredToken", "InvalidAccessKeyId"])(
    "are not where credentials are no more (%s)",
    async (code) => {
      s3.fault = () => ({ kind: "status", status: 400, code });
      expect(await keep("s3://example-benchmarks", work)).toEqual([path.join(work, stack)]);
      expect(said.join()).toMatch(/does not take this machine's credentials\n {2}→ log in anew/);
    },
  );

  it("come in parts where a file is large, each tried again where S3 is busy", async () => {
    const large = Buffer.alloc(12 * MiB, "points");
    write("raw/points.json", large);
    s3.fault = failing(3, { kind: "status", status: 503, code: "SlowDown" });
    expect(await keep("s3://example-benchmarks")).toHaveLength(1);
    expect(s3.objects.get(`${stack}/raw/points.json`)?.equals(large)).toBe(true);
    expect(s3.keysOf("uploadPart").length).toBeGreaterThanOrEqual(3);
    expect(s3.openUploads).toBe(0);
  });

  it("leave no half of an upload behind where S3 goes on failing", async () => {
    write("raw/points.json", Buffer.alloc(6 * MiB));
    s3.fault = ({ operation }) =>
      operation === "uploadPart" ? { kind: "status", status: 403, code: "AccessDenied" } : undefined;
    expect(await keep("s3://example-benchmarks")).toEqual([]);
    expect(said.join()).toContain("s3:AbortMultipartUpload");
    expect(s3.openUploads).toBe(0);
  });

  it("may be in another region than the cluster", async () => {
    vi.stubEnv("AWS_REGION", "us-east-1");
    write("raw/points.json", Buffer.alloc(6 * MiB));
    s3.fault = ({ region }) =>
      region === "eu-central-1"
        ? undefined
        : {
            ...{ kind: "status", status: 301, code: "PermanentRedirect" },
            headers: { "x-amz-bucket-region": "eu-central-1" },
          };
    await checkBuckets(["s3://example-benchmarks"]);
    expect(await keep("s3://example-benchmarks")).toHaveLength(1);
    expect(s3.objects.size).toBe(3);
  });
});

describe("places of results", () => {
  it("in S3 are asked for before there is anything to keep", async () => {
    await checkBuckets([work, "s3://example-benchmarks/triton"]);
    await expect(checkBuckets(["s3://not-there"])).rejects.toThrow(/there is no bucket not-there/);
    // Who may only put objects is denied the question.
    s3.fault = () => ({ kind: "status", status: 403, code: "AccessDenied" });
    await checkBuckets(["s3://example-benchmarks"]);
    s3.fault = () => ({ kind: "status", status: 400, code: "ExpiredToken" });
    await expect(checkBuckets(["s3://example-benchmarks"])).rejects.toThrow();
    expect(s3.objects.size).toBe(0);
  });

  it.each([
    ["s3://bucket-1", { bucket: "bucket-1", prefix: "" }],
    ["s3://bucket-1/", { bucket: "bucket-1", prefix: "" }],
    ["s3://bucket-1//a/b//", { bucket: "bucket-1", prefix: "a/b" }],
    ["s3://", undefined],
    ["s3:///prefix", undefined],
    ["s3://Bucket", undefined],
    ["s3://a", undefined],
  ])("%s is a bucket and a folder in it", (place, folder) => {
    expect(bucketFolderOf(place)).toEqual(folder);
  });
});
