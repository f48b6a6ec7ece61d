import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import type { INamespace, IPod, ISecret, IService } from "kubernetes-models/v1";
import * as z from "zod";
import { RealCluster, waitFor } from "./cluster.ts";
import { clusterImageName } from "./cluster-image.ts";
import type { Entrance } from "./real-load.ts";
import { writeModels } from "./real-models.ts";
import { TestStack } from "./stack.ts";
import { openssl, runTool } from "./tools.ts";

/** Namespace of the platform, and of what it finds there: an object store and the LLM API. */
const namespace = "serving";
const outside = "outside";
const bucket = "models";
const servicePort = 8080;
/** The balancer as clients in the cluster call it. */
const balancerHost = `triton-balancer.${namespace}.svc`;

/** Pod and Service ranges of the cluster. */
const inCluster = ["10.244.0.0/16", "10.96.0.0/16"];

export interface Key {
  readonly caller: string;
  readonly key: string;
}

const podSchema = z.object({
  metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
  status: z.object({
    podIP: z.string().default(""),
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    containerStatuses: z.array(z.object({ restartCount: z.number() })).default([]),
  }),
});
const podsSchema = z.object({ items: z.array(podSchema) });
const serviceSchema = z.object({ spec: z.object({ clusterIP: z.string() }) });
const callsSchema = z.object({ calls: z.array(z.object({ key_sha256: z.string().nullable() })) });

export interface Pod {
  readonly name: string;
  readonly address: string;
  readonly isReady: boolean;
  readonly isGoing: boolean;
  readonly restarts: number;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface CallOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is posted; left out for a GET. */
  readonly body?: object;
  /** Default: the balancer's Service. */
  readonly host?: string;
  /** With one that keeps connections, calls meet the same balancer. */
  readonly agent?: https.Agent;
}

/** The target `kubernetes` on a real node, with everything around it that it needs: small, and with secrets planted. */
export class RealPlatform {
  readonly namespace = namespace;
  readonly models: string;
  readonly secrets: readonly string[];
  #entrance: Required<Entrance> | undefined;

  private constructor(
    private readonly folder: string,
    readonly cluster: RealCluster,
    readonly stack: TestStack,
    private readonly store: string,
    private readonly upstream: string,
    planted: Planted,
  ) {
    this.models = modelsFolder(folder);
    this.secrets = [
      planted.holysheepKey,
      planted.deployersStoreSecret,
      planted.podsStoreSecret,
      // A line of the balancer's private key.
      readFileSync(path.join(folder, "tls.key"), "utf8").split("\n")[1] ?? "",
    ];
  }

  /**
   * A cluster with the store, the LLM API and the Secrets that the platform wants to find, and a stack that is not
   * deployed yet. `ending` is told how to end each thing as soon as it has begun.
   */
  static async start(
    planted: Planted,
    keys: readonly Key[],
    ending: (end: () => unknown) => void,
  ): Promise<RealPlatform> {
    const folder = mkdtempSync(path.join(tmpdir(), "tp-real-"));
    ending(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    mkdirSync(modelsFolder(folder));
    writeModels(modelsFolder(folder));
    makeCertificate(folder);
    const cluster = await RealCluster.start();
    ending(() => cluster.stop());
    await cluster.nameImage(...Object.values(images));
    await cluster.apply(
      namespaceObject(namespace, { "pod-security.kubernetes.io/enforce": "restricted" }),
      namespaceObject(outside),
      ...serving("s3", ["python3", "-m", "moto.server", "-H", "0.0.0.0", "-p", String(servicePort)]),
      ...serving("llm", [
        ...["python3", "/opt/llm_simulator", "--host", "0.0.0.0", "--port", String(servicePort)],
        // There are always calls under way, as with a real one.
        ...["--latency", "0.3"],
      ]),
      tlsSecret(folder),
      credentialsSecret(planted.podsStoreSecret),
    );
    await cluster.kubectl(
      ...["wait", "--namespace", outside, "--for=condition=Ready", "pods", "--all", "--timeout=60s"],
    );
    const [store, upstream] = await Promise.all([
      serviceAddress(cluster, outside, "s3"),
      serviceAddress(cluster, outside, "llm"),
    ]);
    const endpoint = `http://${store}:${String(servicePort)}`;
    // A Service answers a moment after its pod is ready.
    await waitFor("the bucket", async () => (await fetch(`${endpoint}/${bucket}`, { method: "PUT" })).ok);

    const stack = await TestStack.create(configOf(folder, endpoint, keys), {
      KUBECONFIG: cluster.kubeconfig,
      AWS_ACCESS_KEY_ID: "deployer",
      AWS_SECRET_ACCESS_KEY: planted.deployersStoreSecret,
    });
    ending(() => {
      stack.remove();
    });
    await stack.setSecret("holysheep:apiKey", planted.holysheepKey);
    const llm = `http://${upstream}:${String(servicePort)}`;
    return new RealPlatform(folder, cluster, stack, endpoint, llm, planted);
  }

  /** Who may call from the next deployment on. */
  setKeys(keys: readonly Key[]): void {
    this.stack.configure({ "triton-platform:kubernetes": kubernetesOf(this.store, keys) });
  }

  setReplicas(replicas: number): void {
    this.stack.configure({ "triton-platform:servers": serversOf(replicas) });
  }

  /** Where clients call; known once the platform is deployed. */
  async entrance(): Promise<Required<Entrance>> {
    this.#entrance ??= {
      host: await serviceAddress(this.cluster, namespace, "triton-balancer"),
      tls: { name: balancerHost, authorities: path.join(this.folder, "tls.crt") },
    };
    return this.#entrance;
  }

  /** Calls over HTTPS, where the balancer's certificate must be the test's. */
  async call(url: string, { key, headers = {}, body, host, agent }: CallOptions = {}): Promise<Answer> {
    const entrance = await this.entrance();
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = https.request(
        {
          ...{ host: host ?? entrance.host, port: 8000, path: url, servername: entrance.tls.name },
          ca: readFileSync(entrance.tls.authorities),
          method: text === undefined ? "GET" : "POST",
          headers: {
            ...headers,
            ...(key === undefined ? {} : { "x-api-key": key }),
            ...(text === undefined ? {} : { "content-length": Buffer.byteLength(text) }),
          },
          ...(agent === undefined ? {} : { agent }),
          timeout: 20_000,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
          });
        },
      );
      request.on("error", reject);
      request.on("timeout", () => request.destroy(new Error("no answer in 20 s")));
      request.end(text);
    });
  }

  /** Pods by what `app.kubernetes.io/…` they have, those on their way out too. */
  async pods(labels: { name: string; instance?: string }): Promise<Pod[]> {
    const { items } = await this.cluster.read(
      podsSchema,
      ...["get", "pods", "--namespace", namespace, "--selector", selectorOf(labels)],
    );
    return items
      .map(({ metadata, status }) => ({
        name: metadata.name,
        address: status.podIP,
        isReady: status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True"),
        isGoing: metadata.deletionTimestamp !== undefined,
        restarts: status.containerStatuses[0]?.restartCount ?? 0,
      }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Waits until so many pods are ready and none is on its way out. */
  async settled(labels: { name: string; instance?: string }, count: number): Promise<Pod[]> {
    return waitFor(
      `${String(count)} pods ${selectorOf(labels)}, and no more`,
      async () => {
        const pods = await this.pods(labels);
        return pods.length === count && pods.every(({ isReady, isGoing }) => isReady && !isGoing) && pods;
      },
      { timeout: 120_000, interval: 500 },
    );
  }

  /** Has the kubelet look at the pods' Secrets now, and not within the next minute or so. */
  async hurrySecrets(labels: { name: string; instance?: string }): Promise<void> {
    await this.cluster.kubectl(
      ...["annotate", "pods", "--namespace", namespace, "--selector", selectorOf(labels)],
      ...["--overwrite", `test/seen=${String(Date.now())}`],
    );
  }

  /** Keys of what is in the bucket. */
  async stored(): Promise<string[]> {
    const answer = await fetch(`${this.store}/${bucket}?list-type=2`);
    return [...(await answer.text()).matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = ""]) => key);
  }

  /** sha256 of the keys of all calls that the LLM API got since it was last asked. */
  async upstreamKeys(): Promise<string[]> {
    const calls: unknown = await (await fetch(`${this.upstream}/_calls`)).json();
    await fetch(`${this.upstream}/_calls`, { method: "DELETE" });
    return callsSchema.parse(calls).calls.map(({ key_sha256 }) => key_sha256 ?? "");
  }

  /** What every pod of the cluster has written. */
  async logs(): Promise<string> {
    const names = await this.cluster.kubectl("get", "pods", "-A", "-o", podNames);
    const pods = names.split("\n").filter((line) => line !== "");
    const texts = await Promise.all(
      pods.map((line) => {
        const [of = "", pod = ""] = line.split(" ");
        return this.cluster
          .kubectl("logs", "--namespace", of, pod, "--all-containers", "--tail=-1")
          .catch((error: unknown) => {
            // One on its way out may be gone since it was listed.
            if (error instanceof Error && error.message.includes("NotFound")) return "";
            throw error;
          });
      }),
    );
    return texts.join("\n");
  }
}

/** Secrets that must turn up nowhere. */
export interface Planted {
  readonly holysheepKey: string;
  readonly deployersStoreSecret: string;
  readonly podsStoreSecret: string;
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const podNames = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{'\\n'}{end}";

/** Each role has a name of its own for the one image there is. */
const images = {
  triton: "docker.io/local/triton:1",
  haproxy: "docker.io/local/haproxy:2",
  loader: "docker.io/local/loader:1",
} as const;

function configOf(folder: string, store: string, keys: readonly Key[]): Record<string, unknown> {
  return {
    "triton-platform:target": "kubernetes",
    "triton-platform:models": modelsFolder(folder),
    "triton-platform:tritonRelease": "24.10",
    "triton-platform:defaultServer": "cpu",
    "triton-platform:servers": serversOf(2),
    "triton-platform:kubernetes": kubernetesOf(store, keys),
    "holysheep:baseUrl": `http://llm.${outside}.svc.cluster.local:${String(servicePort)}/v1`,
  };
}

function serversOf(replicas: number): Record<string, unknown> {
  const resources = { cpu: 0.05, memory: "448MiB", sharedMemory: "64MiB" };
  return { cpu: { replicas, resources }, llm: { models: ["llm-backend"], replicas: 2, resources } };
}

function kubernetesOf(store: string, keys: readonly Key[]): Record<string, unknown> {
  return {
    context: "local",
    namespace,
    // Its Secrets are there before.
    createNamespace: false,
    images,
    repository: {
      source: "s3",
      bucket,
      endpoint: `http://s3.${outside}.svc.cluster.local:${String(servicePort)}`,
      deployEndpoint: store,
      credentialsSecret: "model-store",
    },
    dnsTtl: "7s",
    networkPolicies: {
      objectStore: { cidrs: inCluster, port: servicePort },
      upstream: { cidrs: inCluster, port: servicePort },
    },
    balancer: {
      cpu: 0.1,
      memory: "128MiB",
      tls: { secretName: "triton-tls" },
      deregistrationDelay: "3s",
      apiKeys: keys.map(({ caller, key }) => ({ caller, sha256: sha256(key) })),
    },
  };
}

function modelsFolder(folder: string): string {
  return path.join(folder, "models");
}

function namespaceObject(name: string, labels: Record<string, string> = {}): INamespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

/** A pod that serves, and its Service. */
function serving(name: string, command: string[]): [IPod, IService] {
  const labels = { app: name };
  return [
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: outside, labels },
      spec: {
        containers: [
          {
            name,
            image: clusterImageName,
            imagePullPolicy: "Never",
            command,
            readinessProbe: { tcpSocket: { port: servicePort }, periodSeconds: 1 },
          },
        ],
        terminationGracePeriodSeconds: 0,
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: outside },
      spec: { selector: labels, ports: [{ port: servicePort }] },
    },
  ];
}

/** A self-signed certificate for the balancer's name: `tls.crt` and `tls.key`. */
function makeCertificate(folder: string): void {
  runTool(openssl, [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", path.join(folder, "tls.key"), "-out", path.join(folder, "tls.crt")],
    ...["-days", "2", "-subj", "/CN=triton", "-addext", `subjectAltName=DNS:${balancerHost}`],
  ]);
}

function tlsSecret(folder: string): ISecret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/tls",
    metadata: { name: "triton-tls", namespace },
    stringData: Object.fromEntries(
      ["tls.crt", "tls.key"].map((name) => [name, readFileSync(path.join(folder, name), "utf8")]),
    ),
  };
}

function credentialsSecret(secret: string): ISecret {
  const credentials = `[default]\naws_access_key_id = pods\naws_secret_access_key = ${secret}\n`;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "model-store", namespace },
    stringData: { credentials },
  };
}

async function serviceAddress(cluster: RealCluster, of: string, name: string): Promise<string> {
  const service = await cluster.read(serviceSchema, "get", "service", "--namespace", of, name);
  return service.spec.clusterIP;
}

function selectorOf(labels: { name: string; instance?: string }): string {
  return Object.entries(labels)
    .map(([label, value]) => `app.kubernetes.io/${label}=${value}`)
    .join(",");
}
