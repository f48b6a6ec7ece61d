import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chromium as browsers, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { fillIn } from "../../commands/dashboard/collect.ts";
import { Prometheus } from "../../commands/dashboard/prometheus.ts";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { readStackConfig } from "../../commands/stack/config.ts";
import { supervisorctl } from "../../components/local/supervised.ts";
import { monitoredHere } from "../../core/local/plan.ts";
import { dashboardsOf } from "../../core/monitoring/dashboards/index.ts";
import { metrics } from "../../core/monitoring/metrics.ts";
import { planPlatform } from "../../core/platform.ts";
import { loadModels } from "../../core/spec/load.ts";
import { waitFor } from "../support/cluster.ts";
import { drill, firing, prometheusUrl, Traffic } from "../support/drill.ts";
import { readPage } from "../support/monitoring.ts";
import { infer, root, TestPlatform } from "../support/platform.ts";
import { chromium, needing } from "../support/tools.ts";

const { python, triton, programs, engine } = readyTools(placesIn(root));
const missing = Object.entries({ python, triton, programs, engine }).flatMap(([name, tool]) =>
  tool === undefined ? [name] : [],
);

/** A model that takes its time, without taking a processor's. */
const slowModel = {
  "model.yaml": `backend: python
maxBatchSize: 0
inputs: [{ name: text, dataType: STRING, dims: [1, 1] }]
outputs: [{ name: length, dataType: INT32, dims: [1] }]
instances: [{ kind: cpu, count: 1 }]
objectives: { latencyP99: 1s, availability: 99% }
versions: { latest: 1 }
`,
  "1/model.py": `import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for _ in requests:
            time.sleep(0.2)
            length = pb_utils.Tensor("length", np.array([1], dtype=np.int32))
            answers.append(pb_utils.InferenceResponse([length]))
        return answers
`,
};

describe.skipIf(missing.length > 0)(
  `monitoring of the local target${missing.length > 0 ? ` (no ${missing.join(", ")})` : ""}`,
  () => {
    let platform: TestPlatform;
    let grafana: string;
    let traffic: readonly Traffic[] = [];
    const call = (model: string, input: string, headers = {}): Promise<Response> =>
      infer(platform.url(`/v2/models/${model}/infer`), input, "the team won the match", headers);

    beforeAll(async () => {
      platform = await TestPlatform.create();
      for (const [name, text] of Object.entries(slowModel)) {
        const file = path.join(platform.models, "slow", name);
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
      // Tests run on busy machines: only the slow model is to be slow. And of the hundreds of calls in a minute that stands
      // for three days, one that is lost is more than 0.1 %.
      for (const model of [
        "embedding-model",
        "text-analysis",
        "text-classifier",
        "text-labels",
        "llm-backend",
      ])
        platform.edit(`${model}/model.yaml`, (text) =>
          text
            .replace(/latencyP99: \d+ms/, "latencyP99: 10s")
            .replace("availability: 99.9%", "availability: 99%"),
        );
      platform.edit("text-tokenizer/model.yaml", (text) =>
        text.replace(/objectives:.*/, "objectives: { availability: 99% }\nresponseCache: true"),
      );
      platform.configure({
        "triton-platform:servers": {
          gpu: { replicas: 2, responseCache: "64MiB" },
          llm: { models: ["llm-backend"], replicas: 1 },
        },
        "triton-platform:monitoring": { speedUp: 60, thresholds: { pendingRequests: 8 } },
      });
      grafana = platform.installGrafana();
      const { code, text } = await platform.run("start");
      expect(code, text).toBe(0);
      expect(text).toContain(`Grafana     ${grafana} `);
      traffic = [
        new Traffic(2, 50, () => call("text-analysis", "text")),
        new Traffic(1, 100, () => call("slow", "text")),
        new Traffic(1, 100, () => call("text-tokenizer", "text")),
        new Traffic(2, 100, () =>
          call("llm-backend", "prompt", { "x-api-key": "drill", "x-conversation-id": "one" }),
        ),
      ];
    });

    afterAll(async () => {
      await Promise.all(traffic.map((one) => one.stop()));
      await platform.remove();
    });

    /** The platform as its rules and dashboards see it. */
    function watched() {
      const { config } = readStackConfig(platform.stackFile, "Pulumi.local.yaml");
      return monitoredHere(
        planPlatform(loadModels(platform.models).value, config, "f").value.servers,
        config,
      );
    }

    const supervisor = (...args: string[]): Promise<unknown> =>
      supervisorctl({ directory: platform.directory, bin: path.dirname(python?.executable ?? "") }, ...args);

    it("has on its pages every metric of the list, with its labels", async () => {
      const { ports } = platform;
      const port = (name: string, offset = 0): string => String((ports[name] ?? 0) + offset);
      const pages = await Promise.all(
        [port("replicaPorts", 2), port("replicaPorts", 32), port("metricsPort"), port("prometheusPort")].map(
          async (at) => readPage(await (await fetch(`http://127.0.0.1:${at}/metrics`)).text()),
        ),
      );
      const local = new Set(["triton", "llm-proxy", "haproxy", "prometheus"]);
      for (const [name, { source, labels, documented }] of Object.entries(metrics)) {
        if (!local.has(source) || documented !== undefined) continue;
        const found = pages.map((page) => page.get(name)).find((metric) => metric !== undefined);
        expect([...(found?.labels ?? [])], name).toEqual(expect.arrayContaining([...labels]));
      }
    });

    it("evaluates all rules without a failure", async () => {
      const answer = await waitFor("all rules to be evaluated", async () => {
        const response = await fetch(`${prometheusUrl(platform)}/api/v1/rules`);
        const { data } = z
          .object({
            data: z.object({
              groups: z.array(
                z.object({
                  name: z.string(),
                  rules: z.array(
                    z.object({ name: z.string(), health: z.string(), lastError: z.string().optional() }),
                  ),
                }),
              ),
            }),
          })
          .parse(await response.json());
        const rules = data.groups.flatMap((group) => group.rules);
        return rules.length > 50 && rules.every(({ health }) => health !== "unknown") && rules;
      });
      expect(answer.filter(({ health }) => health !== "ok")).toEqual([]);
    });

    it("fires nothing while all is well", async () => {
      const busy =
        'sum(model:requests:rate1m) > 10 and on () sum_over_time(model:requests:rate1m{model="slow"}[20s]) > 0';
      const prometheus = new Prometheus(prometheusUrl(platform));
      await waitFor("traffic to be seen", async () => {
        const now = Math.floor(Date.now() / 1000);
        return (await prometheus.range(busy, { start: now, end: now, step: 1 })).length > 0;
      });
      expect(await firing(platform)).toEqual([]);
    });

    it("shows data in each panel that needs no GPU and no cluster", async () => {
      const monitored = watched();
      const prometheus = new Prometheus(prometheusUrl(platform));
      const empty = async (): Promise<string[]> => {
        const end = Math.floor(Date.now() / 1000);
        const range = { start: end - 60, end, step: 1 };
        const asked = dashboardsOf(monitored).flatMap(({ title, rows }) =>
          rows.flatMap(({ panels }) =>
            panels
              .filter(({ needs }) => needs === undefined)
              .flatMap((panel) =>
                panel.queries.map(({ expr }) => ({ name: `${title}: ${panel.title}`, expr })),
              ),
          ),
        );
        const results = await Promise.all(
          asked.map(async ({ name, expr }) => {
            const found = await prometheus.range(fillIn(expr, monitored, range, undefined), range);
            const values = found.flatMap((series) => series.values.map(([, value]) => value));
            return values.some(Number.isFinite) ? [] : [`${name}: ${expr}`];
          }),
        );
        return results.flat();
      };
      await expect.poll(empty, { timeout: 60_000, interval: 2_000 }).toEqual([]);
    });

    it("is shown by Grafana: every dashboard, and by its data source what Prometheus has", async () => {
      const ask = async (what: string): Promise<unknown> => (await fetch(`${grafana}/api/${what}`)).json();
      expect((await platform.status()).endpoints?.grafana).toBe(grafana);
      const plans = dashboardsOf(watched());
      expect(await ask("search?type=dash-db")).toEqual(
        expect.arrayContaining(plans.map(({ id, title }) => ({ uid: id, title, type: "dash-db" }))),
      );
      expect(await ask("dashboards/home")).toMatchObject({ dashboard: { uid: "triton-fleet" } });
      const source = "datasources/proxy/uid/prometheus";
      expect(await ask(`${source}/api/v1/query?query=up{job="triton",replica="gpu-1"}`)).toMatchObject({
        data: { result: [{ metric: { server: "gpu" }, value: [expect.any(Number), "1"] }] },
      });
      expect((await platform.run("logs", "grafana")).text).toContain("HTTP Server Listen");
    });

    it("a killed replica: its target is down, and nothing else is wrong", async () => {
      const { servers } = await platform.status();
      const victim = servers.find(({ name, replica }) => name === "gpu" && replica === 1);
      const seen = await drill(
        platform,
        ["TritonTargetDown gpu-1"],
        async () => {
          process.kill(victim?.pid ?? 0, "SIGKILL");
          // Else it is back before anybody could have noticed.
          await supervisor("stop", "gpu-1");
        },
        async () => {
          await supervisor("start", "gpu-1");
          await waitFor(
            "the replica to be back",
            async () => !(await firing(platform)).includes("TritonTargetDown gpu-1"),
            { timeout: 60_000 },
          );
        },
      );
      expect(seen).toEqual(["TritonTargetDown gpu-1"]);
    });

    it("a flooded model: it queues and is slow, and no other is", async () => {
      let flood: Traffic | undefined;
      const expected = [
        "TritonLatencyBurn slow",
        "TritonLatencyBurnSlow slow",
        "TritonPendingRequests slow",
        "TritonQueueTime slow",
      ];
      const seen = await drill(
        platform,
        expected,
        () => {
          flood = new Traffic(40, 0, () => call("slow", "text"));
          return Promise.resolve();
        },
        async () => {
          await flood?.stop();
        },
      );
      expect(seen).toEqual(expected);
    });

    it("a stopped upstream: the LLM proxy fails and its breaker opens, and the GPU models are well", async () => {
      const expected = [
        "TritonAvailabilityBurn llm-backend",
        "TritonAvailabilityBurnSlow llm-backend",
        "TritonFailureRatio llm-backend",
        "TritonLlmBreakerOpen llm-backend",
      ];
      const seen = await drill(
        platform,
        expected,
        async () => {
          await supervisor("stop", "llm-simulator");
        },
        async () => {
          await supervisor("start", "llm-simulator");
        },
      );
      expect(seen).toEqual(expected);
    });

    describe.skipIf(chromium.program === undefined)(needing(chromium, "npm run dashboard"), () => {
      let browser: Browser;
      const file = (): string => path.join(platform.home, "dashboard.html");

      beforeAll(async () => {
        const { code, text } = await platform.run("dashboard", "--since", "10m", "--out", file());
        expect(code, text).toBe(0);
        // A test's user is root in many containers, where Chromium has no sandbox.
        browser = await browsers.launch({ executablePath: chromium.program ?? "", args: ["--no-sandbox"] });
      });

      afterAll(async () => {
        await browser.close();
      });

      it.each([
        { what: "a desk in the light", width: 1400, height: 900, colorScheme: "light" },
        { what: "a phone in the dark", width: 390, height: 844, colorScheme: "dark" },
      ] as const)("draws plots of real values, for $what", async ({ width, height, colorScheme }) => {
        const page = await browser.newPage({ viewport: { width, height }, colorScheme });
        const faults: string[] = [];
        page.on("pageerror", (error) => faults.push(String(error)));
        page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
        page.on("request", (request) => request.url().startsWith("file:") || faults.push(request.url()));
        await page.goto(`file://${file()}`);
        await page.locator(".canvas").first().scrollIntoViewIfNeeded();
        await page.locator(".uplot canvas").first().waitFor();
        // Lines and text: some of the canvas is drawn upon, in the colour of this scheme's first series too.
        const drawn = await page.evaluate(() => {
          const canvas = document.querySelector("canvas");
          const pixels = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
          return pixels.filter((value, i) => i % 4 === 3 && value > 0).length;
        });
        expect(drawn).toBeGreaterThan(500);
        const { wide, background, legend } = await page.evaluate(() => ({
          wide: document.documentElement.scrollWidth,
          background: getComputedStyle(document.body).backgroundColor,
          legend: document.querySelector(".u-legend")?.textContent ?? "",
        }));
        expect(wide).toBeLessThanOrEqual(width);
        expect(background).toBe(colorScheme === "dark" ? "rgb(18, 22, 28)" : "rgb(246, 247, 249)");
        expect(legend).toMatch(/text-analysis[\d.]+ /);
        expect(faults).toEqual([]);
        await page.close();
      });
    });
  },
);
