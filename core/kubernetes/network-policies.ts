import { isIP } from "node:net";
import type {
  IIPBlock,
  INetworkPolicy,
  INetworkPolicyEgressRule,
  INetworkPolicyIngressRule,
  INetworkPolicyPeer,
  INetworkPolicyPort,
} from "kubernetes-models/networking.k8s.io/v1";
import { present } from "../objects.ts";
import type { ServerPlan } from "../platform.ts";
import type { KubernetesConfig, NetworkPoliciesConfig } from "../spec/kubernetes.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Problem } from "../spec/problem.ts";
import { callsUpstream } from "../upstream.ts";
import {
  allServers,
  balancerSelector,
  groupGrpcPort,
  objectLabels,
  partOf,
  ports,
  upstreamLabel,
} from "./names.ts";
import { isInside } from "./reachability.ts";

/**
 * Who may talk to whom in the platform's namespace; what no rule here names is denied, both ways. None where they are
 * switched off.
 *
 * - Clients reach the balancer, the balancer reaches the servers, Prometheus reads the metrics of both.
 * - Servers reach the object store where models come from one, groups with an external API reach that, and all ask DNS.
 * - Nobody reaches the metadata service of a cloud, whatever the config opens.
 *
 * Three callers need no rule of ours. The kubelet's probes come from the pod's own node, which is never blocked. A load
 * balancer that keeps no client addresses, or checks health by itself, calls from addresses of its own: they belong to
 * `clients`. KEDA and the Prometheus adapter talk to Prometheus and to no pod of ours: where their namespace or
 * Prometheus' denies by default, the policy for that is theirs.
 *
 * Policies know addresses, not names: an API on the internet means port 443 of every public address.
 */
export function networkPolicies(servers: readonly ServerPlan[], config: KubernetesConfig): INetworkPolicy[] {
  const { networkPolicies: rules } = config;
  if (!rules.enabled) return [];
  const groupPorts = servers.flatMap(({ name }) => groupGrpcPort(config.balancer, name) ?? []);
  return [
    policyOf(config, "default-deny", everyPod(config), { ingress: [], egress: [] }),
    policyOf(config, "dns", everyPod(config), { egress: [toDns(rules)] }),
    policyOf(config, "balancer", balancerSelector, {
      ingress: [fromClients(rules, groupPorts), fromPrometheus(rules)],
      egress: [{ to: [podsOf(allServers)], ports: inference }],
    }),
    policyOf(config, "servers", allServers, {
      ingress: [{ from: [podsOf(balancerSelector)], ports: inference }, fromPrometheus(rules)],
      ...present({ egress: config.repository.source === "s3" ? toObjectStore(config) : undefined }),
    }),
    ...(servers.some(({ upstream }) => upstream !== undefined)
      ? [policyOf(config, "upstream", { ...allServers, ...upstreamLabel }, { egress: toUpstream(rules) })]
      : []),
  ];
}

/**
 * What policies could only keep shut: addresses in the config that nobody may reach, and places inside that the platform
 * calls and the config does not open. `file` names the stack's config.
 */
export function networkPolicyProblems(
  servers: readonly Pick<ServerPlan, "upstream">[],
  platform: Pick<PlatformConfig, "holysheep">,
  config: KubernetesConfig,
  file: string,
): Problem[] {
  return [...metadataProblems(config, file), ...shutProblems(servers, platform, config, file)];
}

function metadataProblems(
  { networkPolicies: { objectStore, upstream, dns } }: KubernetesConfig,
  file: string,
): Problem[] {
  const opened = { "objectStore.cidrs": objectStore?.cidrs, "upstream.cidrs": upstream?.cidrs, dns };
  return Object.entries(opened).flatMap(([field, cidrs = []]) =>
    cidrs.flatMap((cidr, i) =>
      isMetadata(cidr)
        ? [
            {
              file,
              path: `triton-platform:kubernetes.networkPolicies.${field}[${String(i)}]`,
              message: `${cidr} is the metadata service of a cloud, which gives out the node's own rights`,
              hint: "remove it: pods get rights of their own by their ServiceAccount",
            },
          ]
        : [],
    ),
  );
}

/** Else this is found out when the first pod gives up. */
function shutProblems(
  servers: readonly Pick<ServerPlan, "upstream">[],
  { holysheep }: Pick<PlatformConfig, "holysheep">,
  { networkPolicies: rules, repository, clusterDomain }: KubernetesConfig,
  file: string,
): Problem[] {
  if (!rules.enabled) return [];
  const report = (field: "objectStore" | "upstream", place: string): Problem => ({
    file,
    path: `triton-platform:kubernetes.networkPolicies.${field}`,
    message: `missing, and without it no policy lets servers reach ${place}`,
    hint: `open it, with the port of the machine or the pod: \`${field}: { cidrs: [10.0.0.0/8], port: … }\`, or by labels where it is in this cluster: \`${field}: { namespace: { kubernetes.io/metadata.name: … }, port: … }\``,
  });
  const endpoint = repository.source === "s3" ? repository.endpoint : undefined;
  return [
    ...(endpoint !== undefined && rules.objectStore === undefined && isWithin(endpoint, clusterDomain)
      ? [report("objectStore", endpoint)]
      : []),
    ...(callsUpstream(servers) &&
    rules.upstream === undefined &&
    (isWithin(holysheep.baseUrl, clusterDomain) || portOf(holysheep.baseUrl) !== upstreamPort)
      ? [report("upstream", holysheep.baseUrl)]
      : []),
  ];
}

/** Whether a URL leads to no address of the internet, as far as that can be seen: other names may have private ones. */
function isWithin(url: string, clusterDomain: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$|\.$/g, "");
  if (isIP(host) !== 0) return !isPublic(host);
  return !host.includes(".") || [".svc", `.svc.${clusterDomain}`].some((end) => host.endsWith(end));
}

function isPublic(address: string): boolean {
  return publicBlocks.some(
    ({ cidr, except = [] }) => isInside(address, cidr) && !except.some((hole) => isInside(address, hole)),
  );
}

/** Of AWS, Google and Azure in IPv4, and the same by NAT64; of AWS and of Google in IPv6. */
const metadataServices = [
  "169.254.169.254/32",
  "64:ff9b::a9fe:a9fe/128",
  "fd00:ec2::254/128",
  "fd20:ce::254/128",
] as const;

/** Where nodes run their own DNS cache, NodeLocal DNSCache's default. */
const nodeLocalDns = "169.254.20.10/32";

/**
 * Every address of the internet. IPv4 without what IANA's registry of special-purpose addresses keeps from it: private
 * ranges (RFC 1918), shared (RFC 6598), loopback, link-local, protocol assignments, benchmarks, multicast, reserved. IPv6
 * as far as it is given out as global unicast (RFC 4291), and, since clusters of IPv6 alone reach IPv4 by NAT64
 * (RFC 6052), its prefix without the same private ranges.
 */
const publicBlocks: readonly IIPBlock[] = [
  {
    cidr: "0.0.0.0/0",
    except: [
      ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
      ...["192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"],
    ],
  },
  { cidr: "2000::/3" },
  {
    cidr: "64:ff9b::/96",
    except: [
      ...["64:ff9b::/104", "64:ff9b::a00:0/104", "64:ff9b::6440:0/106", "64:ff9b::7f00:0/104"],
      ...["64:ff9b::a9fe:0/112", "64:ff9b::ac10:0/108", "64:ff9b::c0a8:0/112"],
    ],
  },
];
const publicAddresses: INetworkPolicyPeer[] = publicBlocks.map((ipBlock) => ({ ipBlock }));

/** That groups with an external API may call on the internet. */
const upstreamPort = 443;

const inference = tcp(ports.http, ports.grpc);

/** Where the namespace is shared, what others run in it is not ours to cut off. */
function everyPod({ createNamespace }: KubernetesConfig): Labels {
  return createNamespace ? {} : partOf;
}

/** The balancer's port of HTTP, of gRPC, and those of gRPC that lead to one group each. */
function fromClients(
  { clients }: NetworkPoliciesConfig,
  groupPorts: readonly number[],
): INetworkPolicyIngressRule {
  const open = tcp(ports.http, ports.grpc, ...groupPorts);
  // Some network plugins (Cilium) count no pod among addresses: everybody is said by naming nobody.
  const isEverybody = clients.includes("0.0.0.0/0") && clients.includes("::/0");
  return isEverybody
    ? { ports: open }
    : { from: clients.map((cidr) => ({ ipBlock: { cidr } })), ports: open };
}

function fromPrometheus({ prometheus }: NetworkPoliciesConfig): INetworkPolicyIngressRule {
  return { from: labelled(prometheus), ports: tcp(ports.metrics) };
}

function toDns({ dns }: NetworkPoliciesConfig): INetworkPolicyEgressRule {
  return {
    to: [
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
        podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
      },
      ...blocks([nodeLocalDns, ...dns]),
    ],
    ports: [
      { protocol: "UDP", port: 53 },
      { protocol: "TCP", port: 53 },
    ],
  };
}

/**
 * Amazon's S3 and STS, or another endpoint on the internet; and what the config opens. An endpoint that is inside has no
 * need of the internet.
 */
function toObjectStore({ repository, networkPolicies: rules }: KubernetesConfig): INetworkPolicyEgressRule[] {
  const endpoint = repository.source === "s3" ? repository.endpoint : undefined;
  const isPrivate = endpoint !== undefined && rules.objectStore !== undefined;
  return [
    ...(isPrivate ? [] : [{ to: publicAddresses, ports: tcp(portOf(endpoint)) }]),
    ...toOpened(rules.objectStore),
  ];
}

function portOf(endpoint = "https://s3.amazonaws.com"): number {
  const { port, protocol } = new URL(endpoint);
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

function toUpstream({ upstream }: NetworkPoliciesConfig): INetworkPolicyEgressRule[] {
  return [{ to: publicAddresses, ports: tcp(upstreamPort) }, ...toOpened(upstream)];
}

/** No rule where no peer is left: a rule without peers would be for everybody. */
function toOpened(opened: NetworkPoliciesConfig["objectStore"]): INetworkPolicyEgressRule[] {
  if (opened === undefined) return [];
  const to = [...blocks(opened.cidrs ?? []), ...labelled(opened)];
  return to.length === 0 ? [] : [{ to, ports: tcp(opened.port) }];
}

/** Pods by labels of their namespace, which is the platform's own where left out, and of themselves. */
function labelled({
  namespace,
  pods,
}: {
  readonly namespace?: Labels | undefined;
  readonly pods?: Labels | undefined;
}): INetworkPolicyPeer[] {
  if (namespace === undefined && pods === undefined) return [];
  return [
    present({
      namespaceSelector: namespace === undefined ? undefined : { matchLabels: namespace },
      podSelector: pods === undefined ? undefined : { matchLabels: pods },
    }),
  ];
}

/** Blocks from the config, without the metadata services. */
function blocks(cidrs: readonly string[]): INetworkPolicyPeer[] {
  return cidrs.flatMap((cidr) => {
    if (isMetadata(cidr)) return [];
    const except = metadataServices.filter((service) => isInside(addressOf(service), cidr));
    return [{ ipBlock: { cidr, ...present({ except: except.length === 0 ? undefined : except }) } }];
  });
}

/** Whether a CIDR is one metadata service and nothing else, however it is written. */
function isMetadata(cidr: string): boolean {
  const isOneAddress = cidr.endsWith(cidr.includes(":") ? "/128" : "/32");
  return isOneAddress && metadataServices.some((service) => isInside(addressOf(service), cidr));
}

function addressOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf("/"));
}

type Labels = Readonly<Record<string, string>>;

function podsOf(matchLabels: Labels): INetworkPolicyPeer {
  return { podSelector: { matchLabels } };
}

function tcp(...numbers: readonly number[]): INetworkPolicyPort[] {
  return numbers.map((port) => ({ protocol: "TCP", port }));
}

/** A policy for the directions whose rules are given. */
function policyOf(
  { namespace }: KubernetesConfig,
  subject: string,
  pods: Labels,
  {
    ingress,
    egress,
  }: { readonly ingress?: INetworkPolicyIngressRule[]; readonly egress?: INetworkPolicyEgressRule[] },
): INetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `triton-${subject}`, namespace, labels: objectLabels(partOf) },
    spec: {
      podSelector: Object.keys(pods).length === 0 ? {} : { matchLabels: pods },
      policyTypes: [
        ...(ingress === undefined ? [] : ["Ingress" as const]),
        ...(egress === undefined ? [] : ["Egress" as const]),
      ],
      // Empty lists would come back from the API server as none.
      ...present({ ingress: filled(ingress), egress: filled(egress) }),
    },
  };
}

function filled<T>(items: T[] | undefined): T[] | undefined {
  return items === undefined || items.length === 0 ? undefined : items;
}
