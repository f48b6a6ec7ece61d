import { BlockList } from "node:net";
import type {
  IIPBlock,
  INetworkPolicy,
  INetworkPolicyPeer,
  INetworkPolicyPort,
} from "kubernetes-models/networking.k8s.io/v1";

/**
 * Who may reach whom by a set of NetworkPolicies, as the API defines them
 * (https://kubernetes.io/docs/concepts/services-networking/network-policies/). Two things are left out: a pod always
 * reaches itself, and a node the pods that run on it, so probes of the kubelet are never blocked.
 */

export type Labels = Readonly<Record<string, string>>;

export interface PodEndpoint {
  readonly kind: "pod";
  readonly namespace: string;
  /** Besides `kubernetes.io/metadata.name`, which the API server gives to every namespace. */
  readonly namespaceLabels?: Labels;
  readonly labels: Labels;
  /**
   * With it, blocks of addresses select the pod too, as Calico and Amazon's VPC CNI do; Cilium selects pods by labels
   * alone. The API leaves it to the network plugin.
   */
  readonly address?: string;
  /** Numbers of the ports that policies may call by name. */
  readonly namedPorts?: Readonly<Record<string, number>>;
}

/** What is no pod: a client, a service outside, a node. */
export interface AddressEndpoint {
  readonly kind: "address";
  readonly address: string;
}

export type Endpoint = PodEndpoint | AddressEndpoint;

/** Of the receiving pod or address, after a Service's port was translated. */
export interface Port {
  /** Default: TCP. */
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  readonly number: number;
}

/** Whether `from` may open a connection to `to`: its own policies must let it out, and those of `to` must let it in. */
export function mayConnect(
  policies: readonly INetworkPolicy[],
  from: Endpoint,
  to: Endpoint,
  port: Port,
): boolean {
  return (
    isAllowed(policies, "Egress", from, to, (ports) => allowsPort(ports, port, to)) &&
    isAllowed(policies, "Ingress", to, from, (ports) => allowsPort(ports, port, to))
  );
}

type Direction = "Ingress" | "Egress";

/** A pod that no policy of a direction selects is open in it; else one rule of one such policy must let the peer. */
function isAllowed(
  policies: readonly INetworkPolicy[],
  direction: Direction,
  subject: Endpoint,
  peer: Endpoint,
  allows: (ports: readonly INetworkPolicyPort[] | undefined) => boolean,
): boolean {
  if (subject.kind !== "pod") return true;
  const selecting = policies.filter(
    (policy) => directionsOf(policy).includes(direction) && selectsSubject(policy, subject),
  );
  if (selecting.length === 0) return true;
  return selecting.some((policy) =>
    rulesOf(policy, direction).some(
      ({ peers, ports }) => allows(ports) && allowsPeer(peers, peer, namespaceOf(policy)),
    ),
  );
}

/** The API server's default: every policy is for ingress, and for egress where it has a rule of it. */
function directionsOf({ spec }: INetworkPolicy): readonly Direction[] {
  const named = spec?.policyTypes ?? [];
  if (named.length > 0) return named;
  return (spec?.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

interface Rule {
  readonly peers?: readonly INetworkPolicyPeer[] | undefined;
  readonly ports?: readonly INetworkPolicyPort[] | undefined;
}

function rulesOf({ spec }: INetworkPolicy, direction: Direction): readonly Rule[] {
  return direction === "Ingress"
    ? (spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
    : (spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
}

function namespaceOf({ metadata }: INetworkPolicy): string {
  return metadata?.namespace ?? "default";
}

function selectsSubject(policy: INetworkPolicy, subject: PodEndpoint): boolean {
  return namespaceOf(policy) === subject.namespace && matches(policy.spec?.podSelector ?? {}, subject.labels);
}

/** A rule without peers is for everybody. */
function allowsPeer(
  peers: readonly INetworkPolicyPeer[] | undefined,
  peer: Endpoint,
  namespace: string,
): boolean {
  if (peers === undefined || peers.length === 0) return true;
  return peers.some(({ ipBlock, namespaceSelector, podSelector }) => {
    if (ipBlock !== undefined) return peer.address !== undefined && inBlock(ipBlock, peer.address);
    if (peer.kind !== "pod") return false;
    const isItsNamespace =
      namespaceSelector === undefined
        ? peer.namespace === namespace
        : matches(namespaceSelector, {
            ...peer.namespaceLabels,
            "kubernetes.io/metadata.name": peer.namespace,
          });
    return isItsNamespace && matches(podSelector ?? {}, peer.labels);
  });
}

/** A rule without ports is for every port; one without a number for every port of its protocol. */
function allowsPort(
  ports: readonly INetworkPolicyPort[] | undefined,
  { protocol = "TCP", number }: Port,
  to: Endpoint,
): boolean {
  if (ports === undefined || ports.length === 0) return true;
  return ports.some(({ protocol: wanted = "TCP", port, endPort }) => {
    if (wanted !== protocol) return false;
    if (port === undefined) return true;
    if (typeof port === "string") return to.kind === "pod" && to.namedPorts?.[port] === number;
    return port <= number && number <= (endPort ?? port);
  });
}

interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** A selector without terms selects everything. */
function matches({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  const label = new Map(Object.entries(labels));
  return (
    Object.entries(matchLabels).every(([key, value]) => label.get(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = label.get(key);
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
        default:
          throw new Error(`${operator} is no operator of a label selector`);
      }
    })
  );
}

function inBlock({ cidr, except = [] }: IIPBlock, address: string): boolean {
  return isInside(address, cidr) && !except.some((hole) => isInside(address, hole));
}

/** Whether an address is in a CIDR, like 10.1.2.3 in 10.0.0.0/8; IPv4 and IPv6 are apart. */
export function isInside(address: string, cidr: string): boolean {
  const [network = "", length] = cidr.split("/");
  const family = familyOf(network);
  if (familyOf(address) !== family) return false;
  const block = new BlockList();
  block.addSubnet(network, Number(length), family);
  return block.check(address, family);
}

/** Of an address: node:net's isIPv6 also checks it, with an expression that takes 3 ms to compile. */
function familyOf(address: string): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}
