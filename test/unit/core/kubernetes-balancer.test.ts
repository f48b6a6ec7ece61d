import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balancerProblems } from "../../../core/kubernetes/balancer-problems.ts";
import { balancerObjects, type BalancerObjects } from "../../../core/kubernetes/balancer.ts";
import { planPlatform, type ServerPlan } from "../../../core/platform.ts";
import { kubernetesSchema, type KubernetesConfig } from "../../../core/spec/kubernetes.ts";
import { refuse } from "../../../core/spec/problem.ts";
import { twoGroups } from "../../support/local.ts";
import { platform, type Platform } from "../../support/platform-arbitraries.ts";

const repository = { source: "persistentVolumeClaim", claimName: "models" };

function configOf(balancer: object = {}, rest: object = {}): KubernetesConfig {
  return kubernetesSchema.parse({ repository, balancer, ...rest });
}

function serversOf({ models, config }: Platform): readonly ServerPlan[] {
  const { value, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  refuse(problems);
  return value.servers;
}

const servers = serversOf(twoGroups);
const objectsOf = (balancer: object = {}): BalancerObjects => balancerObjects(servers, configOf(balancer));
const fileOf = ({ configMaps }: BalancerObjects): string => configMaps[0]?.data?.["haproxy.cfg"] ?? "";
const podOf = ({ deployment }: BalancerObjects): BalancerObjects["deployment"]["spec"]["template"]["spec"] =>
  deployment.spec.template.spec;
const key = (digit: string): string => digit.repeat(64);
const problemsOf = (config: KubernetesConfig, of: readonly ServerPlan[] = servers) =>
  balancerProblems(of, config, balancerObjects(of, config), "Pulumi.test.yaml");
const messages = (balancer: object): string[] =>
  problemsOf(configOf(balancer)).map(
    ({ path, message }) => `${path.replace("triton-platform:kubernetes.balancer.", "")}: ${message}`,
  );

describe("the balancer's objects", () => {
  it("are as the golden file has them", async () => {
    const objects = objectsOf({
      tls: { secretName: "tls" },
      clientCertificates: { secretName: "clients" },
      apiKeys: [{ caller: "alice", sha256: key("a") }],
      grpcPorts: { llm: 9000 },
      service: { type: "LoadBalancer", loadBalancerClass: "service.k8s.aws/nlb", annotations: { a: "b" } },
    });
    const shown = {
      ...objects,
      configMaps: objects.configMaps.map(({ metadata, immutable }) => ({ metadata, immutable })),
    };
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(
      "golden/kubernetes-balancer.json",
    );
  });

  it("roll with their file, and with nothing that is read again", () => {
    const name = (objects: BalancerObjects): string => JSON.stringify(podOf(objects).volumes?.[0]);
    const alice = { caller: "alice", sha256: key("a") };
    const one = objectsOf({ apiKeys: [alice] });
    const other = objectsOf({ apiKeys: [alice, { caller: "bob", sha256: key("b") }] });
    expect(other.deployment).toEqual(one.deployment);
    expect(other.apiKeysMap).toBe(`${key("a")} alice\n${key("b")} bob\n`);
    expect(JSON.stringify(one.configMaps)).not.toContain(key("a"));
    expect(name(objectsOf({ apiKeys: [alice], maxBodySize: "1MiB" }))).not.toBe(name(one));
    expect(one.configMaps[0]?.immutable).toBe(true);
    expect(name(one)).toContain(one.configMaps[0]?.metadata?.name);
  });

  it("give HAProxy the times that the pod has", () => {
    const objects = objectsOf();
    const { terminationGracePeriodSeconds = 0, containers } = podOf(objects);
    const { timing } = objects;
    expect(fileOf(objects)).toContain(`hard-stop-after ${String(timing.drain)}s`);
    expect(terminationGracePeriodSeconds).toBeGreaterThan(timing.preStop + timing.drain);
    expect(objects.deployment.spec.minReadySeconds).toBe(timing.minReady);
    expect(containers[0]?.lifecycle?.preStop?.exec?.command?.[2]).toContain(
      `sleep ${String(timing.preStop)}; kill -USR1 1;`,
    );
  });

  it("share a limit out over the replicas, rounded up", () => {
    const limited = (replicas: number): string =>
      fileOf(objectsOf({ replicas, rateLimit: { requests: 10, period: "1s" } }));
    expect(limited(1)).toContain("ge 10 }");
    expect(limited(3)).toContain("ge 4 }");
  });

  it("have room for a rollout of the most replicas that the autoscaler may ask for", () => {
    const scaled = servers.map((server): ServerPlan =>
      server.name === "llm"
        ? {
            ...server,
            config: {
              ...server.config,
              autoscaling: {
                minReplicas: 0,
                maxReplicas: 20,
                metric: "queueTime",
                targetQueueTime: 1,
                targetPendingRequests: 1,
                scaleDownStabilization: 1,
                headroom: 0,
              },
            },
          }
        : server,
    );
    const text = fileOf(balancerObjects(scaled, configOf()));
    expect(text).toContain("server-template llm- 64 triton-llm.triton.svc.cluster.local:8000");
    expect(text).toContain("server-template gpu- 16 triton-gpu.triton.svc.cluster.local:8001 proto h2");
  });

  it("name every port as Kubernetes wants it, each once, the Service's as the container's", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const servers = serversOf(any);
        const grpcPorts = Object.fromEntries(servers.map(({ name }, i) => [name, 9000 + i]));
        const objects = balancerObjects(servers, configOf({ grpcPorts }));
        const named = objects.service.spec?.ports ?? [];
        const names = named.map(({ name = "" }) => name);
        expect(names).toHaveLength(2 + servers.length);
        expect(new Set(names).size).toBe(names.length);
        for (const name of names) expect(name).toMatch(/^(?!.*--)(?=.{1,15}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
        const ofPod = podOf(objects).containers[0]?.ports?.map(({ name }) => name);
        expect(ofPod).toEqual([...names, "metrics", "health"]);
        const binds = [...fileOf(objects).matchAll(/bind \*:(\d+)/g)].map(([, port]) => Number(port));
        expect(named.every(({ port }) => binds.includes(port))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it("keep a server's own gRPC port, whatever other servers there are, and give none unasked", () => {
    const [server] = servers;
    if (server === undefined) throw new Error("there is a server");
    const named = (name: string): ServerPlan => ({ ...server, name, isDefault: name === "m" });
    const portsOf = (names: string[], grpcPorts: object): unknown =>
      balancerObjects(names.map(named), configOf({ grpcPorts })).service.spec?.ports?.map(
        ({ name, port }) => `${name ?? ""} ${String(port)}`,
      );
    const wanted = ["http 8000", "grpc 8001", "grpc-m 9000"];
    expect(portsOf(["m"], { m: 9000 })).toEqual(wanted);
    expect(portsOf(["a", "constructor", "m"], { m: 9000 })).toEqual(wanted);
    expect(portsOf(["m"], {})).toEqual(wanted.slice(0, 2));
  });

  it("keep no node from being drained", () => {
    expect(objectsOf({ replicas: 1 }).podDisruptionBudget).toBeUndefined();
    expect(objectsOf({ replicas: 2 }).podDisruptionBudget?.spec?.maxUnavailable).toBe(1);
  });
});

describe("problems with the balancer's config", () => {
  it("are none for the default", () => {
    expect(messages({})).toEqual([]);
  });

  it("are told all at once", () => {
    expect(
      messages({
        clientCertificates: { secretName: "clients" },
        apiKeys: [
          { caller: "alice", sha256: key("a") },
          { caller: "bob", sha256: key("a") },
        ],
        rateLimits: { "no name": { requests: 1 } },
        grpcPorts: { gpu: 8003, lmm: 9000, llm: 9000 },
        rateLimit: { requests: 1, period: "30d" },
        service: {
          loadBalancerClass: "x",
          loadBalancerSourceRanges: ["10.0.0.0/8"],
          externalTrafficPolicy: "Local",
        },
      }),
    ).toEqual([
      "grpcPorts.gpu: port 8003 is that of the balancer's own health",
      "grpcPorts.lmm: there is no server `lmm`",
      "grpcPorts.llm: port 9000 is that of `lmm`",
      "tls: missing, and clientCertificates asks clients for certificates",
      "apiKeys[1].sha256: alice and bob have the same key",
      "rateLimits.no name: `no name` is no caller's name",
      "rateLimit.period: 30d is too long for HAProxy",
      "service.loadBalancerClass: a Service of type ClusterIP has no load balancer",
      "service.loadBalancerSourceRanges: a Service of type ClusterIP has no load balancer",
      "service.externalTrafficPolicy: a Service of type ClusterIP has no traffic from outside",
    ]);
  });

  it("name limits of callers that nobody can be", () => {
    const rateLimits = { carol: { requests: 1 }, "10.1.2.3": { requests: 1 } };
    expect(messages({ rateLimits })).toEqual([
      "rateLimits.carol: `carol` is no address, and without apiKeys and clientCertificates callers are known by address only",
    ]);
    expect(messages({ rateLimits, apiKeys: [{ caller: "carol", sha256: key("c") }] })).toEqual([
      "rateLimits.10.1.2.3: no API key belongs to `10.1.2.3`",
    ]);
  });

  it("name limits of one address of IPv6, whose whole network is counted as one caller", () => {
    const limited = (caller: string): string[] => messages({ rateLimits: { [caller]: { requests: 1 } } });
    expect(limited("2001:db8::")).toEqual([]);
    expect(limited("2001:db8:0:1::")).toEqual([]);
    for (const caller of ["2001:db8::7", "2001:DB8::", "2001:db8:0:0::"])
      expect(limited(caller)).toEqual([
        `rateLimits.${caller}: ${caller} is never counted by itself: callers of IPv6 are known by their network of 64 bits`,
      ]);
    const [problem] = problemsOf(configOf({ rateLimits: { "2001:db8:1:2:3:4:5:6": { requests: 1 } } }));
    expect(problem?.hint).toBe("write 2001:db8:1:2::");
  });

  it("refuse what no pod could start with, and take every name that a Secret may have", () => {
    const isTaken = (balancer: object): boolean =>
      kubernetesSchema.safeParse({ repository, balancer }).success;
    const secretName = "tls.example.com";
    expect(isTaken({ cpu: 0.1, memory: "64MiB", tls: { secretName } })).toBe(true);
    expect(isTaken({ clientCertificates: { secretName } })).toBe(true);
    for (const broken of [
      { cpu: 0.0001 },
      { cpu: 65 },
      { memory: "0B" },
      { tls: { secretName: "tls..com" } },
      { tls: { secretName: "a".repeat(254) } },
      { grpcPorts: { gpu: 80 } },
    ])
      expect({ broken, isTaken: isTaken(broken) }).toEqual({ broken, isTaken: false });
  });

  it("name a file that no ConfigMap holds", () => {
    const [server] = servers;
    const [model] = server?.models ?? [];
    if (server === undefined || model === undefined) throw new Error("there is a server with a model");
    const many = Array.from({ length: 6_000 }, (_, i) => ({
      ...model,
      spec: { ...model.spec, name: `${"m".repeat(250)}${String(i)}`, idempotent: false },
    }));
    const found = problemsOf(configOf(), [{ ...server, isDefault: true, models: many }]);
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^the balancer's file has .* MiB, and a ConfigMap holds 1 MiB$/),
    ]);
  });
});
