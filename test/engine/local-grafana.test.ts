import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../../commands/setup/find-program.ts";
import { killMarked, markedProcesses, markOf } from "../../components/local/marks.ts";
import { planGrafana } from "../../core/local/grafana.ts";
import { markVariable } from "../../core/local/mark.ts";
import { clusterSuite, waitFor } from "../support/cluster.ts";
import { DockerHost, missingForDocker } from "../support/docker.ts";
import { platformOf } from "../support/models.ts";
import { embed, watched } from "../support/monitoring.ts";

const busybox = findProgram("busybox");
const missing = [
  ...missingForDocker,
  ...(busybox === undefined ? ["busybox"] : []),
  ...(findProgram("nsenter") === undefined ? ["nsenter"] : []),
];

/** Started as Grafana's image is, it gives out what is provisioned, and ends when it is asked to. */
const runScript = `#!/bin/busybox sh
trap 'exit 0' TERM
/bin/busybox httpd -f -p "$GF_SERVER_HTTP_ADDR:$GF_SERVER_HTTP_PORT" -h "$GF_PATHS_PROVISIONING" &
wait
`;

describe.skipIf(missing.length > 0)(
  clusterSuite("Grafana of the local target in a container of a real Docker", missing),
  () => {
    const home = mkdtempSync(path.join(tmpdir(), "local-grafana-"));
    const mark = markOf(home, "grafana");
    const image = "docker.io/local/grafana-test:1";
    let docker: DockerHost;
    let command: readonly string[];
    let env: Readonly<Record<string, string>>;

    beforeAll(async () => {
      docker = await DockerHost.start();
      const root = path.join(home, "root");
      mkdirSync(root);
      writeFileSync(path.join(root, "run.sh"), runScript, { mode: 0o755 });
      const files = ["--directory", root, "run.sh", "--directory", "/", path.relative("/", busybox ?? "")];
      const place = ["--transform", "s,.*busybox$,bin/busybox,"];
      await execa("tar", ["--create", ...place, ...files], { buffer: false }).pipe(
        "docker",
        ["import", "--change", 'ENTRYPOINT ["/run.sh"]', "-", image],
        { env: docker.env },
      );
      const { local } = platformOf({ local: { grafana: { image } } });
      const { files: provisioned, process: grafana } = planGrafana(
        watched([embed]),
        { kind: "container", docker: "docker", host: docker.env.DOCKER_HOST, user: "65534" },
        home,
        local,
      );
      for (const file of provisioned) {
        mkdirSync(path.dirname(file.path), { recursive: true });
        writeFileSync(file.path, file.content);
      }
      await execa("chown", ["--recursive", "65534:65534", home]);
      command = grafana.command;
      env = { ...grafana.environment, [markVariable]: `${mark}1` };
    });

    afterAll(async () => {
      await killMarked(mark);
      await docker.stop();
      rmSync(home, { recursive: true, force: true });
    });

    /** As supervisord starts it. */
    function start() {
      const [program = "", ...args] = command;
      return execa(program, args, { env: { ...env }, reject: false });
    }

    /** What the container gives out at the loopback address of its host. */
    async function provisioned(): Promise<string | undefined> {
      const url = "http://127.0.0.1:3080/datasources/prometheus.yaml";
      const [enter = "", ...rest] = docker.inside;
      const get = await execa(enter, [...rest, busybox ?? "", "wget", "-q", "-O", "-", url], {
        reject: false,
      });
      return get.failed ? undefined : get.stdout;
    }

    const containers = (): Promise<string> => docker.docker(["ps", "--all", "--quiet"]);

    it("listens beside Prometheus, and ends when its command is asked to", async () => {
      const client = start();
      const text = await waitFor("Grafana to answer", provisioned);
      expect(text).toContain("url: http://127.0.0.1:9090");
      client.kill("SIGTERM");
      expect((await client).exitCode).toBe(0);
      await waitFor("its container to be gone", async () => (await containers()) === "");
    });

    it("has the mark of its platform, by which it ends where its command was killed", async () => {
      const client = start();
      await waitFor("Grafana to answer", provisioned);
      client.kill("SIGKILL");
      await client;
      expect(await containers()).not.toBe("");
      expect(markedProcesses(mark)).not.toEqual([]);
      await killMarked(mark);
      await waitFor("its container to be gone", async () => (await containers()) === "");
      expect(markedProcesses(mark)).toEqual([]);
    });
  },
);
