import { stackTag } from "../aws/tags.ts";
import type { Benchmark } from "./stack.ts";

/**
 * What a stack may leave behind in AWS, in the order in which it can be deleted: each kind before what it holds. Keys are
 * service and type of ARNs. Source: Service Authorization Reference, "Resource types" of each service.
 */
export const leftoverKinds = [
  "elasticloadbalancing:loadbalancer",
  "elasticloadbalancing:targetgroup",
  "eks:nodegroup",
  "eks:cluster",
  "ec2:instance",
  "ec2:vpc-endpoint",
  "ec2:natgateway",
  "ec2:vpc-flow-log",
  "ec2:network-interface",
  "ec2:elastic-ip",
  "ec2:security-group",
  "ec2:volume",
  "ec2:launch-template",
  "ec2:subnet",
  "ec2:route-table",
  "ec2:internet-gateway",
  "ec2:vpc",
  "ecr:repository",
  "secretsmanager:secret",
  "s3:bucket",
  "logs:log-group",
  "iam:oidc-provider",
  "iam:role",
  "kms:key",
] as const;

export type LeftoverKind = (typeof leftoverKinds)[number];

/**
 * What a cluster that is still there lives by, tagged as the stack is and in no state: machines of its node groups, and what its
 * controllers look after. Taken from it, Services and volumes would lose who ends them.
 */
const ofLivingCluster: readonly LeftoverKind[] = [
  "elasticloadbalancing:loadbalancer",
  "elasticloadbalancing:targetgroup",
  "ec2:instance",
  "ec2:network-interface",
  "ec2:security-group",
  "ec2:volume",
];
const clusterType = "aws:eks/cluster:Cluster";

/** Something in the account. */
export interface Found {
  readonly kind: LeftoverKind;
  readonly arn: string;
  /** As its service's calls name it: `vpc-0123…`, a name, or an ARN. */
  readonly id: string;
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * What an ARN is of; undefined for kinds that go with another: listeners, add-ons, access entries, rules of security groups.
 */
export function identify(arn: string): Pick<Found, "kind" | "arn" | "id"> | undefined {
  const [, , service = "", , , ...rest] = arn.split(":");
  const resource = rest.join(":");
  if (service === "s3") return { kind: "s3:bucket", arn, id: resource };
  const [, type = "", name = ""] = /^([^/:]+)[/:](.+)$/.exec(resource) ?? [];
  const kind = leftoverKinds.find((known) => known === `${service}:${type}`);
  if (kind === undefined) return undefined;
  return { kind, arn, id: idOf(kind, arn, name) };
}

function idOf(kind: LeftoverKind, arn: string, name: string): string {
  switch (kind) {
    case "elasticloadbalancing:loadbalancer":
    case "elasticloadbalancing:targetgroup":
    case "secretsmanager:secret":
    case "iam:oidc-provider":
      return arn;
    case "logs:log-group":
      return name.replace(/:\*$/, "");
    case "iam:role":
      return name.split("/").pop() ?? name;
    default:
      return name;
  }
}

/** What all that a benchmark makes is tagged with. */
export function ownTags({
  stack,
  owner,
}: Pick<Benchmark, "stack" | "owner">): Readonly<Record<string, string>> {
  return { [stackTag]: stack.split("/").pop() ?? stack, owner };
}

/** Whether it carries the stack's and the owner's tags, both. */
export function isOwn({ tags }: Pick<Found, "tags">, own: Readonly<Record<string, string>>): boolean {
  return Object.entries(own).every(([key, value]) => tags[key] === value);
}

/**
 * What a benchmark left: its own, nothing that a state of the backend knows, and nothing that its cluster still lives by.
 * `known` has the resources of all states, `ownState` those of the benchmark's.
 */
export function leftoversAmong(
  found: readonly Found[],
  own: Readonly<Record<string, string>>,
  known: readonly StateResource[],
  ownState: readonly StateResource[],
): readonly Found[] {
  const identities = new Set(identitiesIn(known));
  const isKnown = ({ arn, id }: Found): boolean => identities.has(arn) || identities.has(id);
  const lives = ownState.some(({ type }) => type === clusterType);
  const all = found.filter(
    (one) => isOwn(one, own) && !isKnown(one) && !(lives && ofLivingCluster.includes(one.kind)),
  );
  const place = ({ kind }: Found): number => leftoverKinds.indexOf(kind);
  return [...all].sort((a, b) => place(a) - place(b) || a.arn.localeCompare(b.arn));
}

/** `load balancer net/k8s-…`: as reports name it. */
export function nameOfLeftover({ kind, arn }: Pick<Found, "kind" | "arn">): string {
  const resource = arn.split(":").slice(5).join(":");
  const [, type = ""] = kind.split(":");
  const name = resource.startsWith(type) ? resource.slice(type.length + 1) : resource;
  return `${type.replaceAll("-", " ")} ${name}`;
}

/** Every id and ARN of states' resources. */
function identitiesIn(resources: readonly StateResource[]): readonly string[] {
  return resources.flatMap(({ id, outputs }) => {
    const arn = outputs?.arn;
    return [...(id === undefined ? [] : [id]), ...(typeof arn === "string" ? [arn] : [])];
  });
}

/** A resource as `pulumi stack export` gives it. */
export interface StateResource {
  readonly type?: string | undefined;
  readonly id?: string | undefined;
  readonly protect?: boolean | undefined;
  readonly outputs?: Readonly<Record<string, unknown>> | undefined;
}
