import fc from "fast-check";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import {
  allServers,
  balancerSelector,
  ports,
  serverSelector,
  upstreamLabel,
} from "../../../core/kubernetes/names.ts";
import { networkPolicies, networkPolicyProblems } from "../../../core/kubernetes/network-policies.ts";
import {
  isInside,
  mayConnect,
  type AddressEndpoint,
  type Endpoint,
  type Labels,
  type PodEndpoint,
} from "../../../core/kubernetes/reachability.ts";
import { planPlatform, type ServerPlan } from "../../../core/platform.ts";
import { kubernetesSchema, type KubernetesConfig } from "../../../core/spec/kubernetes.ts";
import { modelOf, platformOf } from "../../support/models.ts";

const amazon = { source: "s3", bucket: "models" } as const;
const minio = { ...amazon, endpoint: "http://minio.storage.svc:9000" } as const;
const inStorage = { "kubernetes.io/metadata.name": "storage" };
const claim = { source: "persistentVolumeClaim", claimName: "models" } as const;

function configOf(fields: Partial<z.input<typeof kubernetesSchema>> = {}): KubernetesConfig {
  return kubernetesSchema.parse({ repository: claim, ...fields });
}

/** Server groups of one model each; those named `llm…` call an external API. */
function serversOf(...names: readonly string[]): readonly ServerPlan[] {
  const { value, problems } = planPlatform(
    names.map((name) => modelOf(`of-${name}`, name.startsWith("llm") ? { upstream: "holysheep" } : {})),
    platformOf({
      servers: Object.fromEntries(names.map((name) => [name, { models: [`of-${name}`] }])),
      defaultServer: names[0] ?? "",
    }),
    "Pulumi.test.yaml",
  );
  expect(problems).toEqual([]);
  return value.servers;
}

function pod(labels: Labels, namespace = "triton", fields: Partial<PodEndpoint> = {}): PodEndpoint {
  return { kind: "pod", namespace, labels, ...fields };
}

function address(text: string): AddressEndpoint {
  return { kind: "address", address: text };
}

function server(name: string): PodEndpoint {
  return pod({ ...serverSelector(name), ...(name.startsWith("llm") ? upstreamLabel : {}) });
}

const balancer = pod(balancerSelector);
const prometheus = pod({ "app.kubernetes.io/name": "prometheus" }, "monitoring");
const dns = pod({ "k8s-app": "kube-dns" }, "kube-system");
const stranger = pod({ app: "stranger" });
const outsider = pod({ app: "outsider" }, "elsewhere");
const client = address("203.0.113.7");
const internet = address("93.184.216.34");
const internet6 = address("2606:2800:21f::1");
const store = address("10.4.0.9");

const serverNames = fc.uniqueArray(fc.stringMatching(/^(llm-)?[a-z]{1,6}$/), { minLength: 1, maxLength: 6 });

const privateAddresses = fc.oneof(
  fc.constantFrom("169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "::1", "fe80::1", "100.64.0.1"),
  fc
    .tuple(fc.constantFrom("10", "127", "172.16", "172.31", "192.168", "169.254"), fc.ipV4())
    .map(([prefix, rest]) => [...prefix.split("."), ...rest.split(".")].slice(0, 4).join(".")),
  fc
    .tuple(fc.integer({ min: 0xfc00, max: 0xfdff }), fc.nat(0xffff))
    .map(([first, last]) => `${first.toString(16)}::${last.toString(16)}`),
);

/** What the default rules open inside of private ranges. */
const isNodeLocalDns = (text: string): boolean => text === "169.254.20.10";

describe("the platform's policies", () => {
  it("let the article's flows through and nothing else", () => {
    const servers = serversOf("gpu", "llm");
    const policies = networkPolicies(
      servers,
      configOf({ repository: amazon, balancer: { grpcPorts: { llm: 9011 } } }),
    );
    const who: Record<string, Endpoint> = {
      client,
      stranger,
      outsider,
      prometheus,
      balancer,
      gpu: server("gpu"),
      llm: server("llm"),
    };
    const whom: Record<string, Endpoint> = {
      balancer,
      gpu: server("gpu"),
      llm: server("llm"),
      stranger,
      dns,
      internet,
      metadata: address("169.254.169.254"),
      private: store,
    };
    const numbers = [...Object.values(ports), 9010, 9011, 53, 80, 443];
    const table = Object.entries(who).flatMap(([from, source]) =>
      Object.entries(whom).flatMap(([to, target]) => {
        // Between two that are not ours no policy of ours has a say.
        const isOurs = [source, target].some((end) => end.kind === "pod" && end.namespace === "triton");
        const open = numbers.filter((number) => mayConnect(policies, source, target, { number }));
        return isOurs && open.length > 0 ? [`${from} → ${to}: ${open.join(", ")}`] : [];
      }),
    );
    expect(table).toEqual([
      "client → balancer: 8000, 8001, 9011",
      "stranger → dns: 53",
      "outsider → balancer: 8000, 8001, 9011",
      "prometheus → balancer: 8000, 8001, 8002, 9011",
      "prometheus → gpu: 8002",
      "prometheus → llm: 8002",
      "balancer → gpu: 8000, 8001",
      "balancer → llm: 8000, 8001",
      "balancer → dns: 53",
      "gpu → dns: 53",
      "gpu → internet: 443",
      "llm → dns: 53",
      "llm → internet: 443",
    ]);
  });

  it("are none where they are switched off", () => {
    expect(networkPolicies(serversOf("a"), configOf({ networkPolicies: { enabled: false } }))).toEqual([]);
  });

  it("leave a namespace alone that others use too", () => {
    const policies = networkPolicies(serversOf("a"), configOf({ createNamespace: false }));
    expect(mayConnect(policies, outsider, stranger, { number: 80 })).toBe(true);
    expect(mayConnect(policies, stranger, server("a"), { number: ports.http })).toBe(false);
    expect(mayConnect(policies, server("a"), stranger, { number: 80 })).toBe(false);
    expect(mayConnect(policies, server("a"), dns, { number: 53, protocol: "UDP" })).toBe(true);
  });

  it("open the balancer to the addresses of clients alone", () => {
    const policies = networkPolicies(
      serversOf("a"),
      configOf({ networkPolicies: { clients: ["192.168.7.0/24", "2001:db8:7::/48"] } }),
    );
    const opens = (from: Endpoint): boolean => mayConnect(policies, from, balancer, { number: ports.grpc });
    expect(["192.168.7.9", "2001:db8:7::9"].map((text) => opens(address(text)))).toEqual([true, true]);
    expect(
      ["192.168.8.9", "2001:db8:8::9", "::ffff:192.168.7.9"].map((text) => opens(address(text))),
    ).toEqual([false, false, false]);
    expect(opens(outsider)).toBe(false);
  });

  it("choose Prometheus by the labels that the config names", () => {
    const config = configOf({
      networkPolicies: { prometheus: { namespace: { team: "sre" }, pods: { app: "prometheus" } } },
    });
    const policies = networkPolicies(serversOf("a"), config);
    const scrapes = (labels: Labels, namespaceLabels: Labels): boolean =>
      mayConnect(policies, pod(labels, "x", { namespaceLabels }), server("a"), { number: ports.metrics });
    expect(scrapes({ app: "prometheus" }, { team: "sre" })).toBe(true);
    expect(scrapes({ app: "other" }, { team: "sre" })).toBe(false);
    expect(scrapes({ app: "prometheus" }, { team: "other" })).toBe(false);
  });

  it("open a store that is inside, and then not the internet", () => {
    const policies = networkPolicies(
      serversOf("a"),
      configOf({
        repository: minio,
        networkPolicies: { objectStore: { cidrs: ["10.4.0.0/16"], port: 9000 } },
      }),
    );
    expect(mayConnect(policies, server("a"), store, { number: 9000 })).toBe(true);
    expect(mayConnect(policies, server("a"), store, { number: 443 })).toBe(false);
    expect(mayConnect(policies, server("a"), internet, { number: 443 })).toBe(false);
    expect(mayConnect(policies, balancer, store, { number: 9000 })).toBe(false);
  });

  it("open a store in the cluster by labels, to whatever network plugin", () => {
    const minioPod = pod({ app: "minio" }, "storage", { address: "10.4.0.9" });
    const policies = networkPolicies(
      serversOf("a"),
      configOf({
        repository: minio,
        networkPolicies: { objectStore: { namespace: inStorage, pods: { app: "minio" }, port: 9000 } },
      }),
    );
    const reaches = (to: Endpoint, number = 9000): boolean =>
      mayConnect(policies, server("a"), to, { number });
    expect(reaches(minioPod)).toBe(true);
    expect(reaches(pod({ app: "minio" }, "storage"))).toBe(true);
    expect(reaches(minioPod, 443)).toBe(false);
    expect(reaches(pod({ app: "other" }, "storage"))).toBe(false);
    expect(reaches(pod({ app: "minio" }, "elsewhere"))).toBe(false);
    expect(reaches(store)).toBe(false);
    expect(reaches(internet)).toBe(false);
    expect(mayConnect(policies, balancer, minioPod, { number: 9000 })).toBe(false);
  });

  it("open addresses, a whole namespace, or pods of their own one, as the config names them", () => {
    const opened = (called: {
      cidrs?: string[];
      namespace?: Record<string, string>;
      pods?: Record<string, string>;
    }) => {
      const policies = networkPolicies(
        serversOf("llm"),
        configOf({ networkPolicies: { upstream: { ...called, port: 8080 } } }),
      );
      const whom = {
        store,
        elsewhere: pod({ app: "proxy" }, "storage"),
        other: pod({ app: "other" }, "storage"),
        own: pod({ app: "proxy" }),
      };
      const llm = server("llm");
      return Object.entries(whom).flatMap(([name, to]) => {
        // What lets pods of our own namespace in is not for the platform to say.
        const outgoing = policies.map((policy) => ({
          ...policy,
          spec: { ...policy.spec, policyTypes: ["Egress" as const] },
        }));
        return mayConnect(outgoing, llm, to, { number: 8080 }) ? [name] : [];
      });
    };
    expect(opened({ cidrs: ["10.4.0.0/16"] })).toEqual(["store"]);
    expect(opened({ namespace: inStorage })).toEqual(["elsewhere", "other"]);
    expect(opened({ cidrs: ["10.4.0.0/16"], namespace: inStorage })).toEqual(["store", "elsewhere", "other"]);
    expect(opened({ namespace: inStorage, pods: { app: "proxy" } })).toEqual(["elsewhere"]);
    expect(opened({ pods: { app: "proxy" } })).toEqual(["own"]);
  });

  it("open Amazon's interface endpoints beside its public addresses", () => {
    const policies = networkPolicies(
      serversOf("a"),
      configOf({
        repository: amazon,
        networkPolicies: { objectStore: { cidrs: ["10.4.0.0/16"], port: 443 } },
      }),
    );
    expect(
      [store, internet, internet6].map((to) => mayConnect(policies, server("a"), to, { number: 443 })),
    ).toEqual([true, true, true]);
  });

  it.each([
    ["https://s3.example.com", 443],
    ["http://s3.example.com", 80],
    ["https://s3.example.com:9443", 9443],
  ])("know the port of a public endpoint, %s", (endpoint, number) => {
    const policies = networkPolicies(serversOf("a"), configOf({ repository: { ...amazon, endpoint } }));
    const open = [80, 443, 9443].filter((port) =>
      mayConnect(policies, server("a"), internet, { number: port }),
    );
    expect(open).toEqual([number]);
  });

  it("open the addresses of a private API to groups that call one", () => {
    const policies = networkPolicies(
      serversOf("a", "llm"),
      configOf({ networkPolicies: { upstream: { cidrs: ["10.4.0.9/32"], port: 3128 } } }),
    );
    expect(mayConnect(policies, server("llm"), store, { number: 3128 })).toBe(true);
    expect(mayConnect(policies, server("a"), store, { number: 3128 })).toBe(false);
    expect(mayConnect(policies, server("llm"), address("10.4.0.10"), { number: 3128 })).toBe(false);
  });

  it("let pods ask the node's DNS and the one of the config", () => {
    const policies = networkPolicies(
      serversOf("a"),
      configOf({ networkPolicies: { dns: ["172.20.0.10/32"] } }),
    );
    for (const name of ["169.254.20.10", "172.20.0.10"]) {
      for (const protocol of ["UDP", "TCP"] as const) {
        expect(mayConnect(policies, server("a"), address(name), { number: 53, protocol })).toBe(true);
      }
      expect(mayConnect(policies, server("a"), address(name), { number: 443 })).toBe(false);
    }
  });

  it("have the form the API wants: named in the namespace, holes inside their blocks", () => {
    fc.assert(
      fc.property(openedCidrs, serverNames, (cidrs, names) => {
        const config = configOf({
          repository: amazon,
          namespace: "models",
          networkPolicies: {
            objectStore: { cidrs, port: 443 },
            upstream: { cidrs, port: 443 },
            dns: cidrs,
          },
        });
        const policies = networkPolicies(serversOf(...names), config);
        expect(new Set(policies.map(({ metadata }) => metadata?.name)).size).toBe(policies.length);
        for (const policy of policies) {
          expect(policy.metadata?.namespace).toBe("models");
          for (const { cidr, except = [] } of ipBlocks(policy)) {
            const bits = (text: string): number => Number(text.split("/")[1]);
            for (const hole of except) {
              expect(isInside(hole.split("/")[0] ?? "", cidr)).toBe(true);
              expect(bits(hole)).toBeGreaterThan(bits(cidr));
            }
          }
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("for any servers and config", () => {
  const openedLists: string[][] = [["0.0.0.0/0", "::/0"], ["10.0.0.0/8"], ["169.254.0.0/16", "fd00::/8"]];
  const anyConfig = fc
    .record({
      repository: fc.constantFrom(amazon, minio, claim),
      createNamespace: fc.boolean(),
      opened: fc.option(fc.constantFrom(...openedLists), { nil: undefined }),
    })
    .map(({ repository, createNamespace, opened }) => ({
      opened: opened ?? [],
      config: configOf({
        repository,
        createNamespace,
        networkPolicies:
          opened === undefined
            ? {}
            : {
                dns: opened,
                objectStore: { cidrs: opened, port: 443 },
                upstream: { cidrs: opened, port: 443 },
              },
      }),
    }));
  const platform = fc.tuple(serverNames, anyConfig).map(([names, { config, opened }]) => ({
    names,
    config,
    opened,
    policies: networkPolicies(serversOf(...names), config),
  }));
  const numRuns = 25;
  const ours = (names: readonly string[]): PodEndpoint[] => [balancer, ...names.map(server)];

  it("every flow that the platform needs is open", () => {
    fc.assert(
      fc.property(platform, ({ names, config, policies }) => {
        for (const name of names) {
          const expectOpen = (from: Endpoint, to: Endpoint, ...numbers: number[]): void => {
            for (const number of numbers) {
              const opened = mayConnect(policies, from, to, { number });
              expect({ from, to, number, opened }).toEqual({ from, to, number, opened: true });
            }
          };
          for (const from of [client, address("2001:db8::7"), outsider]) {
            expectOpen(from, balancer, ports.http, ports.grpc);
          }
          expectOpen(balancer, server(name), ports.http, ports.grpc);
          expectOpen(prometheus, server(name), ports.metrics);
          expectOpen(prometheus, balancer, ports.metrics);
          for (const from of ours([name])) {
            expect(mayConnect(policies, from, dns, { number: 53, protocol: "UDP" })).toBe(true);
            expectOpen(from, dns, 53);
          }
          if (name.startsWith("llm") || config.repository === amazon) {
            expectOpen(server(name), internet, 443);
            expectOpen(server(name), internet6, 443);
          }
        }
      }),
      { numRuns },
    );
  });

  it("nobody but the balancer reaches a server's inference ports", () => {
    fc.assert(
      fc.property(platform, fc.ipV4(), fc.ipV6(), ({ names, policies }, ipv4, ipv6) => {
        const others = [
          ...names.map(server),
          prometheus,
          outsider,
          stranger,
          // Labels alone do not make a balancer: it is the one in our namespace.
          pod(balancerSelector, "elsewhere"),
          pod(allServers, "elsewhere"),
          address(ipv4),
          address(ipv6),
        ];
        for (const name of names) {
          for (const from of others) {
            for (const number of [ports.http, ports.grpc]) {
              expect(mayConnect(policies, from, server(name), { number })).toBe(false);
            }
          }
        }
      }),
      { numRuns },
    );
  });

  it("only groups with an API reach the internet, and servers that fetch models from it", () => {
    fc.assert(
      fc.property(
        platform,
        fc.integer({ min: 1, max: 65535 }),
        ({ names, config, opened, policies }, number) => {
          fc.pre(!opened.includes("0.0.0.0/0"));
          const fetches = config.repository.source === "s3";
          for (const from of ours(names)) {
            const mayCall =
              from !== balancer && (fetches || from.labels["triton-platform/upstream"] !== undefined);
            for (const to of [internet, internet6]) {
              expect(mayConnect(policies, from, to, { number }) && !mayCall).toBe(false);
              expect(mayConnect(policies, from, to, { number, protocol: "UDP" })).toBe(false);
            }
          }
        },
      ),
      { numRuns },
    );
  });

  it("no pod reaches the metadata service, whatever the config opens", () => {
    fc.assert(
      fc.property(platform, fc.constantFrom(53, 80, 443, 8080), ({ names, policies }, number) => {
        for (const from of ours(names)) {
          for (const to of ["169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "64:ff9b::a9fe:a9fe"]) {
            expect(mayConnect(policies, from, address(to), { number })).toBe(false);
          }
        }
      }),
      { numRuns },
    );
  });

  it("no pod reaches a private address that the config does not name", () => {
    fc.assert(
      fc.property(
        platform,
        privateAddresses,
        fc.constantFrom(53, 80, 443, 9000),
        ({ names, opened, policies }, to, number) => {
          fc.pre(!isNodeLocalDns(to) && !opened.some((cidr) => isInside(to, cidr)));
          for (const from of ours(names)) {
            expect(mayConnect(policies, from, address(to), { number })).toBe(false);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it("a pod's address opens no way that its labels do not", () => {
    fc.assert(
      fc.property(platform, ({ names, opened, policies }) => {
        fc.pre(opened.length === 0);
        for (const name of names) {
          const inCluster = { ...outsider, address: "10.9.0.7" };
          expect(mayConnect(policies, server(name), inCluster, { number: 443 })).toBe(false);
          expect(mayConnect(policies, inCluster, server(name), { number: ports.http })).toBe(false);
        }
      }),
      { numRuns },
    );
  });
});

describe("addresses in the config", () => {
  it("that only name the metadata service are a problem", () => {
    const config = configOf({
      networkPolicies: {
        dns: ["10.0.0.10/32", "169.254.169.254/32"],
        upstream: { cidrs: ["FD00:0EC2::254/128"], port: 443 },
      },
    });
    expect(problemPaths(config)).toEqual([
      "triton-platform:kubernetes.networkPolicies.upstream.cidrs[0]",
      "triton-platform:kubernetes.networkPolicies.dns[1]",
    ]);
    // Where nothing is left of a list, nothing is open: a rule without peers would be for everybody.
    const policies = networkPolicies(serversOf("llm"), config);
    expect(mayConnect(policies, server("llm"), store, { number: 443 })).toBe(false);
  });

  it("that hold more than it are none", () => {
    const config = configOf({ networkPolicies: { dns: ["169.254.0.0/16", "169.254.169.253/32", "::/0"] } });
    expect(problemPaths(config)).toEqual([]);
  });
});

describe("what the platform calls inside", () => {
  const prefix = "triton-platform:kubernetes.networkPolicies";

  it.each([
    "http://minio.storage.svc:9000",
    "https://minio.storage.svc.k8s.example",
    "http://minio.storage.svc.k8s.example.:9000",
    "http://minio:9000",
    "https://10.4.0.9",
    "http://[fd00::9]:9000",
    "http://100.64.0.1",
  ])("is a problem where policies keep it shut: %s", (url) => {
    const fields = { clusterDomain: "k8s.example", repository: { ...amazon, endpoint: url } };
    expect(problemPaths(configOf(fields))).toEqual([`${prefix}.objectStore`]);
    expect(problemPaths(configOf({ clusterDomain: "k8s.example" }), url)).toEqual([`${prefix}.upstream`]);

    const opened = { namespace: inStorage, port: 9000 };
    const open = { networkPolicies: { objectStore: opened, upstream: opened } };
    expect(problemPaths(configOf({ ...fields, ...open }), url)).toEqual([]);
    expect(problemPaths(configOf({ ...fields, networkPolicies: { enabled: false } }), url)).toEqual([]);
  });

  it("is none where it is on the internet, or nobody calls it", () => {
    for (const endpoint of [
      "https://s3.example.com:9443",
      "http://93.184.216.34",
      "http://[2606:2800:21f::1]",
    ])
      expect(problemPaths(configOf({ repository: { ...amazon, endpoint } }))).toEqual([]);
    expect(problemPaths(configOf({ repository: amazon }))).toEqual([]);
    expect(problemPaths(configOf(), "https://api.example.com/v1")).toEqual([]);
    expect(problemPaths(configOf(), "http://llm.svc:8000", [])).toEqual([]);
  });

  it("is a problem where an API on the internet has another port than HTTPS", () => {
    for (const url of ["https://api.example.com:8443/v1", "http://api.example.com/v1"])
      expect(problemPaths(configOf(), url)).toEqual([`${prefix}.upstream`]);
  });
});

/** Of a platform with a group that calls an API, by default one on the internet. */
function problemPaths(
  config: KubernetesConfig,
  baseUrl = "https://api.example.com/v1",
  servers: readonly Pick<ServerPlan, "upstream">[] = [{}, { upstream: "holysheep" }],
): string[] {
  const platform = { holysheep: { baseUrl, model: "m", apiKey: undefined } };
  return networkPolicyProblems(servers, platform, config, "Pulumi.test.yaml").map(({ path }) => path);
}

/** The semantics, by examples of the API's own documentation. */
describe("a policy", () => {
  const a = pod({ app: "a", tier: "db" }, "one");
  const b = pod({ app: "b" }, "one");
  const elsewhere = pod({ app: "b" }, "two", { namespaceLabels: { team: "x" } });
  const policy = (spec: INetworkPolicy["spec"]): INetworkPolicy[] => [
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "p", namespace: "one" },
      ...(spec === undefined ? {} : { spec }),
    },
  ];
  const selectsA = { podSelector: { matchLabels: { app: "a" } } };
  const reaches = (policies: INetworkPolicy[], from: Endpoint, to: Endpoint, number = 80): boolean =>
    mayConnect(policies, from, to, { number });

  it("leaves alone what none selects", () => {
    expect(reaches([], a, b)).toBe(true);
    expect(reaches(policy({ podSelector: { matchLabels: { app: "z" } } }), a, b)).toBe(true);
    expect(reaches(policy({ podSelector: {} }), b, elsewhere)).toBe(true);
    expect(reaches(policy({ podSelector: {} }), elsewhere, elsewhere)).toBe(true);
  });

  it("is for ingress by default, and for egress where it has a rule of it", () => {
    expect(reaches(policy(selectsA), b, a)).toBe(false);
    expect(reaches(policy(selectsA), a, b)).toBe(true);
    expect(reaches(policy({ ...selectsA, egress: [] }), a, b)).toBe(true);
    const toDb = policy({ ...selectsA, egress: [{ ports: [{ port: 5432 }] }] });
    expect(reaches(toDb, a, b, 5432)).toBe(true);
    expect(reaches(toDb, a, b)).toBe(false);
    expect(reaches(toDb, b, a)).toBe(false);
    const onlyEgress = policy({ ...selectsA, policyTypes: ["Egress"] });
    expect(reaches(onlyEgress, b, a)).toBe(true);
    expect(reaches(onlyEgress, a, b)).toBe(false);
  });

  it("adds to others, and both ends must agree", () => {
    const deny = policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    const letIn = policy({ ...selectsA, ingress: [{}] });
    const letOut = policy({
      podSelector: { matchLabels: { app: "b" } },
      policyTypes: ["Egress"],
      egress: [{}],
    });
    expect(reaches([...deny, ...letIn], b, a)).toBe(false);
    expect(reaches([...deny, ...letOut], b, a)).toBe(false);
    expect(reaches([...deny, ...letIn, ...letOut], b, a)).toBe(true);
  });

  it("takes both selectors of a peer together, and peers of a list one by one", () => {
    const from = (
      ...peers: NonNullable<NonNullable<NonNullable<INetworkPolicy["spec"]>["ingress"]>[number]["from"]>
    ) => policy({ ...selectsA, ingress: [{ from: peers }] });
    const podB = { podSelector: { matchLabels: { app: "b" } } };
    const teamX = { namespaceSelector: { matchLabels: { team: "x" } } };
    expect(reaches(from(podB), b, a)).toBe(true);
    expect(reaches(from(podB), elsewhere, a)).toBe(false);
    expect(reaches(from(teamX), elsewhere, a)).toBe(true);
    expect(reaches(from(teamX), b, a)).toBe(false);
    expect(reaches(from({ ...podB, ...teamX }), elsewhere, a)).toBe(true);
    expect(reaches(from({ ...podB, ...teamX }), b, a)).toBe(false);
    expect(reaches(from(podB, teamX), b, a)).toBe(true);
    expect(reaches(from({ namespaceSelector: {} }), b, a)).toBe(true);
    expect(reaches(from({ namespaceSelector: {} }), client, a)).toBe(false);
    expect(reaches(from(), client, a)).toBe(true);
    const byName = { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "two" } } };
    expect([elsewhere, b].map((pod) => reaches(from(byName), pod, a))).toEqual([true, false]);
  });

  it.each([
    ["In", ["db", "web"], [true, false]],
    ["NotIn", ["db", "web"], [false, true]],
    ["Exists", [], [true, false]],
    ["DoesNotExist", [], [false, true]],
  ])("selects by %s", (operator, values, selected) => {
    const policies = policy({ podSelector: { matchExpressions: [{ key: "tier", operator, values }] } });
    expect([a, b].map((to) => !reaches(policies, client, to))).toEqual(selected);
  });

  it("knows ports by number, range, name and protocol", () => {
    const open = (port: object) => policy({ ...selectsA, ingress: [{ ports: [port] }] });
    const named = { ...a, namedPorts: { web: 8080 } };
    expect([79, 80, 81].map((n) => reaches(open({ port: 80 }), b, a, n))).toEqual([false, true, false]);
    const range = open({ port: 80, endPort: 82 });
    expect([79, 80, 82, 83].map((n) => reaches(range, b, a, n))).toEqual([false, true, true, false]);
    expect([80, 8080].map((n) => reaches(open({ port: "web" }), b, named, n))).toEqual([false, true]);
    const udp = open({ protocol: "UDP" });
    expect(
      (["UDP", "TCP"] as const).map((protocol) => mayConnect(udp, b, a, { number: 9, protocol })),
    ).toEqual([true, false]);
  });

  it("knows blocks of addresses with holes, in both families", () => {
    const block = (cidr: string, except?: string[]) =>
      policy({ ...selectsA, ingress: [{ from: [{ ipBlock: { cidr, ...(except && { except }) } }] }] });
    const ten = block("10.0.0.0/8", ["10.1.0.0/16"]);
    const opens = (policies: INetworkPolicy[], text: string) => reaches(policies, address(text), a);
    expect(["10.2.0.1", "10.1.0.1", "11.0.0.1", "::1"].map((text) => opens(ten, text))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(["fd00::1", "10.2.0.1"].map((text) => opens(block("::/0"), text))).toEqual([true, false]);
    expect(["fd00::1", "10.2.0.1"].map((text) => opens(block("0.0.0.0/0"), text))).toEqual([false, true]);
    expect(reaches(ten, b, a)).toBe(false);
    expect(reaches(ten, { ...b, address: "10.2.0.1" }, a)).toBe(true);
  });
});

/** What a config may open: anything from one address to all. */
const openedCidrs = fc.array(
  fc.oneof(
    fc.constantFrom("0.0.0.0/0", "::/0", "169.254.169.254/32", "fd00:ec2::254/128", "169.254.0.0/16"),
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, bits]) => `${ip}/${String(bits)}`),
  ),
  { minLength: 1, maxLength: 4 },
);

function ipBlocks({ spec }: INetworkPolicy) {
  const peers = [
    ...(spec?.ingress ?? []).flatMap(({ from = [] }) => from),
    ...(spec?.egress ?? []).flatMap(({ to = [] }) => to),
  ];
  return peers.flatMap(({ ipBlock }) => ipBlock ?? []);
}
