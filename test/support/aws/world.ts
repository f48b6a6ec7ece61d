import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import yaml from "js-yaml";
import * as z from "zod";
import { SimulatedCluster } from "../cluster.ts";
import { ObjectStore } from "../object-store.ts";
import { TestStack } from "../stack.ts";
import { projectRoot } from "../tools.ts";
import type { AccountSettings } from "./account.ts";
import { ApiServer } from "./api-server.ts";
import { writeStandInCharts } from "./charts.ts";
import { ClusterLife } from "./cluster-life.ts";
import { SimulatedAccount } from "./simulated-account.ts";

const awsFolder = path.join(projectRoot, "test", "support", "aws");
const standInVersion = "1.0.0";

const configSchema = z.object({ config: z.record(z.string(), z.unknown()) });
type Config = Readonly<Record<string, unknown>>;

/** The committed config of a stack. */
export function committedConfig(stack: string): Config {
  const text = readFileSync(path.join(projectRoot, `Pulumi.${stack}.yaml`), "utf8");
  return configSchema.parse(yaml.load(text)).config;
}

/** Maps merge, everything else is replaced. */
export function withConfig(below: Config, above: Config): Config {
  const merged = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const [old, now] = [mapSchema.safeParse(merged.get(key)), mapSchema.safeParse(value)];
    merged.set(key, old.success && now.success ? withConfig(old.data, now.data) : value);
  }
  return Object.fromEntries(merged);
}
const mapSchema = z.record(z.string(), z.unknown());

/** A stack on a simulated account, without a cluster. */
export function awsStack(
  config: Config,
  account: SimulatedAccount,
  options: {
    readonly name?: string;
    readonly main?: string;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<TestStack> {
  const { env = {}, ...rest } = options;
  const providers = [{ name: "aws", path: awsFolder }];
  return TestStack.create(config, { ...account.environment, ...env }, { ...rest, providers });
}

/**
 * AWS with EKS in it: the account, an S3 that takes models, and a control plane of the tests that clusters of the account
 * hand out, with nodes and controllers that live in it.
 */
export class AwsWorld {
  readonly #charts = mkdtempSync(path.join(tmpdir(), "tp-charts-"));

  private constructor(
    readonly account: SimulatedAccount,
    readonly cluster: SimulatedCluster,
    readonly objects: ObjectStore,
    readonly life: ClusterLife,
  ) {
    writeStandInCharts(this.#charts, standInVersion);
  }

  /** `bucket`: the one that models are brought to. */
  static async start(bucket: string, settings: Partial<AccountSettings> = {}): Promise<AwsWorld> {
    const cluster = await SimulatedCluster.start();
    const certificate = readFileSync(path.join(cluster.directory, "pki", "apiserver.crt"), "utf8");
    const endpoint = endpointOf(cluster);
    const account = new SimulatedAccount({
      controlPlane: { endpoint, certificateAuthority: Buffer.from(certificate).toString("base64") },
      ...settings,
    });
    const objects = await ObjectStore.start(bucket);
    const life = new ClusterLife(account.file, new ApiServer(endpoint, certificate, adminToken));
    return new AwsWorld(account, cluster, objects, life);
  }

  /** What stacks see of it. */
  get environment(): Readonly<Record<string, string>> {
    return {
      PATH: [path.join(awsFolder, "bin"), process.env.PATH ?? ""].join(path.delimiter),
      SIMULATED_EKS_TOKEN: adminToken,
      // For the engine's event log.
      PULUMI_DEBUG_COMMANDS: "true",
      AWS_ENDPOINT_URL_S3: this.objects.endpoint,
      AWS_SHARED_CREDENTIALS_FILE: this.objects.credentialsIn(this.#charts),
    };
  }

  /** Config that has the stand-in charts in place of the real ones: of the layer `workload`. Names are held for no time. */
  get chartsOfWorkload(): Config {
    return {
      "triton-platform:kubernetes": {
        dnsTtl: "1s",
        gpu: { devicePlugin: this.#chart("nvidia-device-plugin"), dcgm: this.#chart("dcgm-exporter") },
      },
    };
  }

  /** Of the layer `cluster`. */
  get chartsOfCluster(): Config {
    const charts = {
      loadBalancerController: this.#chart("aws-load-balancer-controller"),
      clusterAutoscaler: this.#chart("cluster-autoscaler"),
      externalSecrets: this.#chart("external-secrets"),
      keda: this.#chart("keda"),
    };
    return { "triton-platform:eks": { cluster: { charts } } };
  }

  get charts(): Config {
    return withConfig(this.chartsOfWorkload, this.chartsOfCluster);
  }

  #chart(chart: string): object {
    return { repository: this.#charts, chart, version: standInVersion };
  }

  /** What the AWS CLI was called with. */
  cliCalls(): string[][] {
    return readFileSync(`${this.account.file}.calls`, "utf8")
      .trim()
      .split("\n")
      .map((line) => z.array(z.string()).parse(JSON.parse(line)));
  }

  stack(config: Config, name: string): Promise<TestStack> {
    return awsStack(config, this.account, { name, env: this.environment });
  }

  async stop(): Promise<void> {
    await this.life.stop();
    await this.objects.stop();
    await this.cluster.stop();
    this.account.remove();
    rmSync(this.#charts, { recursive: true, force: true });
  }
}

/** Of the toolchain's control plane. */
const adminToken = "admin-token";

const kubeconfigSchema = z.object({
  clusters: z.tuple([z.object({ cluster: z.object({ server: z.string() }) })]),
});

function endpointOf({ kubeconfig }: SimulatedCluster): string {
  const [{ cluster }] = kubeconfigSchema.parse(yaml.load(readFileSync(kubeconfig, "utf8"))).clusters;
  return cluster.server;
}
