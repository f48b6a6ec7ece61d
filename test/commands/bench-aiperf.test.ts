import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { aiperfHere, aiperfVersion } from "../../commands/bench/load/aiperf.ts";
import { UserError } from "../../commands/setup/user-error.ts";
import type { StackEndpoint } from "../../commands/stack/endpoint.ts";
import { parseLoad } from "../../core/benchmark/load-options.ts";
import { planLoads, type PlannedSeries } from "../../core/benchmark/load-plan.ts";
import { loadModels } from "../../core/spec/load.ts";
import { makeCertificate } from "../support/certificates.ts";
import { needing, openssl, projectRoot } from "../support/tools.ts";

const apiKey = "key-of-the-aiperf-test";

/**
 * Stands for AIPerf 0.13, which takes minutes to install: refuses what that would refuse, calls what its config says, and writes
 * records with the fields that are read of its own (test/recorded/benchmark/aiperf-0.13.jsonl).
 */
const standIn = String.raw`
const fs = require("node:fs");
const path = require("node:path");
const [command, option, file, ui, none, ...rest] = process.argv.slice(2);
const refuse = (why) => { console.error("ERROR " + why); process.exit(1); };
if (command === "--version") { console.log("VERSION"); process.exit(0); }
if ([command, option, ui, none].join(" ") !== "profile --config --ui none" || rest.length > 0) refuse("arguments");
if ((fs.statSync(file).mode & 0o077) !== 0) refuse("others may read the config");
const fields = (what, object, ...known) => {
  for (const name of Object.keys(object)) if (!known.includes(name)) refuse(what + " has no field " + name);
};
const config = JSON.parse(fs.readFileSync(file, "utf8"));
fields("config", config, "schemaVersion", "benchmark");
const { model, endpoint, tokenizer, dataset, serverMetrics, gpuTelemetry, artifacts, profiling } = config.benchmark;
fields("benchmark", config.benchmark, "model", "endpoint", "tokenizer", "dataset", "serverMetrics", "gpuTelemetry", "artifacts", "profiling");
fields("endpoint", endpoint, "urls", "type", "timeout", "headers", "template");
fields("profiling", profiling, "type", "concurrency", "requests", "duration", "gracePeriod");
if (profiling.requests === undefined) refuse("the stand-in counts calls");
for (const name of ["tokenizer.json", "tokenizer_config.json"]) JSON.parse(fs.readFileSync(path.join(tokenizer.name, name), "utf8"));
if (!JSON.parse(fs.readFileSync(path.join(tokenizer.name, "tokenizer.json"), "utf8")).added_tokens) refuse("KeyError: added_tokens");
const [, body] = /^\{% raw %\}(.*)\{% endraw %\}$/s.exec(fs.readFileSync(endpoint.template.body, "utf8")) ?? refuse("template");
const https = require("node:https");
const ca = fs.readFileSync(process.env.SSL_CERT_FILE);
const call = () => new Promise((resolve) => {
  const begun = Date.now() * 1e6;
  const metadata = () => ({ request_start_ns: begun, request_end_ns: Date.now() * 1e6 });
  const fail = (type) => resolve({ metadata: metadata(), metrics: {}, error: { type } });
  const request = https.request(endpoint.urls[0], { method: "POST", ca, headers: { ...endpoint.headers, "content-type": "application/json" } }, (response) => {
    let text = "";
    response.on("data", (part) => (text += part));
    response.on("end", () => {
      const { statusCode: code } = response;
      if (code !== 200) return resolve({ metadata: metadata(), metrics: {}, error: { code, type: "Service Unavailable" } });
      const [, name] = /^outputs\[\?name=='(\w+)'\]\.data \| \[0\]\[0\]$/.exec(endpoint.template.response_field) ?? refuse("response_field");
      if (!JSON.parse(text).outputs.find((output) => output.name === name)?.data[0]) return fail("InvalidInferenceResultError");
      resolve({ metadata: metadata(), metrics: { request_latency: { value: 1, unit: "ms" } } });
    });
  });
  request.on("error", () => fail("ClientConnectorError"));
  request.end(body);
});
(async () => {
  const records = [];
  for (let i = 0; i < profiling.requests; i += 1) records.push(await call());
  fs.mkdirSync(artifacts.dir);
  fs.writeFileSync(path.join(artifacts.dir, "profile_export.jsonl"), records.map((record) => JSON.stringify(record) + "\n").join(""));
})();
`;

describe.skipIf(openssl.program === undefined)(needing(openssl, "load by AIPerf"), () => {
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-aiperf-test-"));
  const at = (name: string): string => path.join(folder, name);
  const requests: {
    readonly url: string;
    readonly key: unknown;
    readonly server: unknown;
    readonly body: string;
  }[] = [];
  let server: https.Server | undefined;
  let http = "";

  beforeAll(async () => {
    makeCertificate(folder, "ca", "ca");
    makeCertificate(folder, "server", "server", "ca");
    const identity = { cert: readFileSync(at("server.crt")), key: readFileSync(at("server.key")) };
    server = https.createServer(identity, (request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (part: string) => (body += part));
      request.on("end", () => {
        const { headers, url = "" } = request;
        requests.push({ url, key: headers["x-api-key"], server: headers["x-triton-server"], body });
        if (requests.length === 2) response.writeHead(503);
        response.end(JSON.stringify({ outputs: [{ name: "generated_text", data: ["An answer."] }] }));
      });
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    http = `https://127.0.0.1:${String(address.port)}`;
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(() => {
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function install(version: string): void {
    writeFileSync(at("aiperf"), `#!${process.execPath}\n${standIn.replace("VERSION", version)}`);
    chmodSync(at("aiperf"), 0o755);
    vi.stubEnv("PATH", folder);
  }

  function endpoint(): StackEndpoint {
    return { http, grpc: "", isEncrypted: true, apiKey, tls: { ca: at("ca.crt") } };
  }

  it("sends the model's request with the headers of its group and its key, and tells each call", async () => {
    install(aiperfVersion);
    const series = seriesOf("llm-backend", "http");
    const generator = await aiperfHere([series], endpoint());
    expect(generator).toMatchObject({ name: "aiperf", version: aiperfVersion, protocols: ["http"] });
    const calls = await generator.run({
      ...{ series, endpoint: endpoint(), concurrency: 1, bound: { requests: 3 } },
      signal: new AbortController().signal,
    });
    expect(calls.map(({ failure }) => failure)).toEqual([undefined, "503", undefined]);
    expect(new Set(requests.map(({ url }) => url))).toEqual(new Set(["/v2/models/llm-backend/infer"]));
    expect(requests[0]).toMatchObject({ key: apiKey, server: "llm" });
    const inputs: unknown = JSON.parse(requests[0]?.body ?? "");
    expect(inputs).toMatchObject({
      inputs: [
        { name: "prompt", datatype: "BYTES", shape: [1, 1], data: [expect.stringMatching(/^\w+( \w+)+\.$/)] },
        { name: "max_tokens", datatype: "INT32", shape: [1, 1], data: [1] },
        { name: "temperature", datatype: "FP32", shape: [1, 1], data: [1] },
      ],
    });
  });

  it("is asked for nothing that it cannot measure", async () => {
    install(aiperfVersion);
    await expect(aiperfHere([seriesOf("text-labels", "http")], endpoint())).rejects.toThrow(
      /text-labels: it is no model that calls/,
    );
    await expect(aiperfHere([seriesOf("llm-backend", "grpc")], endpoint())).rejects.toThrow(
      /speaks HTTP alone/,
    );
    const series = [seriesOf("llm-backend", "http")];
    const certificate = { ...endpoint(), tls: { certificate: "c.crt", key: "c.key" } };
    await expect(aiperfHere(series, certificate)).rejects.toThrow(/no client certificate/);
    await expect(aiperfHere(series, { ...endpoint(), apiKey: "a${b}" })).rejects.toThrow(/for a template/);
  });

  it.each(["0.12.9", "no version"])("is not found where it says %s", async (version) => {
    install(version);
    const error = await aiperfHere([seriesOf("llm-backend", "http")], endpoint()).catch(
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof UserError)) throw error;
    expect(error.message).toBe(`There is no AIPerf ${aiperfVersion} or newer on PATH`);
    expect(error.hint).toContain(`pipx install aiperf==${aiperfVersion}`);
  });

  it("says why AIPerf could not measure", async () => {
    install(aiperfVersion);
    const series = seriesOf("llm-backend", "http");
    const generator = await aiperfHere([series], endpoint());
    const job = { series, endpoint: endpoint(), concurrency: 1, bound: { seconds: 1 } };
    await expect(generator.run({ ...job, signal: new AbortController().signal })).rejects.toThrow(
      /llm-backend \(exit code 1\):\nERROR the stand-in counts calls/,
    );
  });
});

function seriesOf(name: string, protocol: "http" | "grpc"): PlannedSeries {
  const model = loadModels(path.join(projectRoot, "models")).value.find(({ spec }) => spec.name === name);
  const load = parseLoad({ model: [name], protocol, "batch-size": "1" });
  if (model === undefined || "problems" in load) throw new Error(`no load of ${name}`);
  const server = name === "llm-backend" ? "llm" : "gpu";
  const { value } = planLoads([{ spec: model.spec, version: "1", server, costs: false }], load.value);
  const series = value.loads[0]?.series[0];
  if (series === undefined) throw new Error(`no series of ${name}`);
  return series;
}
