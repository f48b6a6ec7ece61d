import { costOf } from "../../cost/cost.ts";
import { regionPrices } from "../../cost/items.ts";
import { prices } from "../../cost/prices.ts";
import { resourceItems } from "../../cost/resources.ts";
import { longestLifeHours } from "../../ephemeral/lifetime.ts";
import { mapLimit, numberLimit, textsLimit } from "../limit.ts";
import { mainContainersOf, podOf, selects, stackType } from "../resources.ts";
import { everywhere, onlyInBench, onlyInProd, strictInProd, violation } from "../rule.ts";
import type { Patch, PolicyResource, PolicyRule } from "../rule.ts";
import type { Value } from "../value.ts";

/** The stack as a whole: who pays, how much, what must stay and what must go. */

/** Of those that the target `eks` makes, the types that AWS tags and bills. */
const taggedTypes: readonly string[] = [
  ...["aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/natGateway:NatGateway", "aws:ec2/eip:Eip"],
  ...[
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/securityGroup:SecurityGroup",
  ],
  ...["aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup", "aws:lb/loadBalancer:LoadBalancer"],
  ...["aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2", "aws:ecr/repository:Repository", "aws:kms/key:Key"],
  ...["aws:iam/role:Role", "aws:secretsmanager/secret:Secret", "aws:cloudwatch/logGroup:LogGroup"],
];

/** What is lost or hard to come by again. */
const statefulTypes: readonly string[] = [
  ...["aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2", "aws:kms/key:Key", "aws:eks/cluster:Cluster"],
  ...["aws:ecr/repository:Repository", "aws:ec2/vpc:Vpc", "aws:secretsmanager/secret:Secret"],
];

const deployment = "kubernetes:apps/v1:Deployment";
const scaledObject = "kubernetes:keda.sh/v1alpha1:ScaledObject";
const autoscaler = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler";
const budget = "kubernetes:policy/v1:PodDisruptionBudget";

const requiredTags = textsLimit("tags", "Tags that everything must have", [
  "owner",
  "environment",
  "cost-center",
]);
const defaultTags = mapLimit("defaults", "Tags to put where they are missing, under the level remediate");
const maxHourlyCost = numberLimit(
  "maxHourlyCost",
  "USD an hour that the stack's resources in AWS may come to with every node group scaled out",
  { dev: 40, staging: 80, prod: 300, bench: 150 },
);
const minReplicas = numberLimit("minReplicas", "Replicas that what serves has at least", 2);
const maxHours = numberLimit("maxHours", "Hours that a benchmark cluster may live", longestLifeHours);

export const stackRules: readonly PolicyRule[] = [
  {
    id: "tags-required",
    title: "Everything in AWS says who answers for it, what it is for, and who pays",
    why: "Else a bill cannot be split, and nobody dares to delete what nobody knows",
    severity: "medium",
    levels: strictInProd,
    references: ["AWS Config required-tags"],
    types: taggedTypes,
    scope: "resource",
    limits: [requiredTags, defaultTags],
    *check(resource, { limit }) {
      const missing = limit(requiredTags).filter((tag) => !hasTag(resource, tag));
      if (missing.length > 0)
        yield violation(
          resource.props.at("tags"),
          `without the ${missing.length === 1 ? "tag" : "tags"} ${missing.join(", ")}`,
          "set them (eks.tags)",
        );
    },
    remedy: (resource, { limit }) =>
      Object.entries(limit(defaultTags))
        .filter(([tag]) => !hasTag(resource, tag))
        .map(([tag, value]): Patch => ({ path: ["tags", tag], value })),
  },
  {
    id: "cost-ceiling",
    title: "A stack costs no more an hour than its environment may",
    why: "One GPU node too many for a month is a year of somebody's cloud budget",
    severity: "high",
    levels: everywhere,
    references: ["docs/cost.md"],
    types: [stackType],
    scope: "stack",
    limits: [maxHourlyCost],
    *check(_, { stack, limit }) {
      const region = regionOf(stack) ?? "us-east-1";
      const cost = costOf(resourceItems(stack, regionPrices(prices, region).prices));
      const ceiling = limit(maxHourlyCost);
      if (cost.mostPerHour > ceiling) {
        const dearest = [...cost.items].sort((a, b) => b.mostPerHour - a.mostPerHour)[0];
        yield {
          path: "",
          message: `up to $${cost.mostPerHour.toFixed(2)} an hour ($${cost.mostPerMonth.toFixed(0)} a month), and the ceiling is $${ceiling.toFixed(2)}; most of it is ${dearest?.name ?? "nothing"}`,
          hint: "take fewer or smaller nodes (maxCount), or raise maxHourlyCost in the policy config",
        };
      }
      for (const name of cost.unpriced)
        yield {
          path: "",
          message: `what ${name} costs is not known`,
          hint: "run npm run prices, or take a type whose price is known",
        };
    },
  },
  {
    id: "prod-protected",
    title: "What is lost when it is deleted is protected in prod",
    why: "A wrong name in the program is a deletion, and `pulumi up` asks once",
    severity: "high",
    levels: onlyInProd,
    references: [],
    types: statefulTypes,
    scope: "resource",
    limits: [],
    *check({ isProtected }) {
      if (isProtected === false) yield { path: "", message: "Pulumi may delete it", hint: "set eks.protect" };
    },
  },
  {
    id: "prod-replicas",
    title: "What serves in prod has two replicas at least, however far it scales in",
    why: "With one, a node that goes is an outage",
    severity: "high",
    levels: onlyInProd,
    references: ["Kyverno require-deployments-have-multiple-replicas"],
    types: [deployment, scaledObject, autoscaler],
    scope: "stack",
    limits: [minReplicas],
    *check(resource, { stack, limit }) {
      const least = limit(minReplicas);
      const { type, props } = resource;
      // What an autoscaler decides on is its own matter: it is judged itself.
      if (type === deployment && (!serves(resource) || stack.some((other) => scales(other, resource))))
        return;
      const value = props.at(
        "spec",
        { [deployment]: "replicas", [scaledObject]: "minReplicaCount" }[type] ?? "minReplicas",
      );
      // Kubernetes' own defaults: 1 replica; KEDA's: 0.
      const replicas = value.number ?? (type === scaledObject ? 0 : 1);
      if (replicas < least)
        yield violation(
          value,
          `${String(replicas)} of at least ${String(least)} replicas`,
          "raise replicas, or autoscaling.minReplicas",
        );
    },
  },
  {
    id: "prod-disruption-budget",
    title: "What serves in prod has a disruption budget that lets a node be drained",
    why: "Without one a drain takes all replicas at once; with maxUnavailable 0 it never ends",
    severity: "medium",
    levels: onlyInProd,
    references: ["Kyverno require-pdb"],
    types: [deployment],
    scope: "stack",
    limits: [],
    *check(resource, { stack }) {
      if (!serves(resource)) return;
      const labels = podOf(resource).at("metadata", "labels");
      const budgets = stack.filter(
        ({ type, props }) => type === budget && selects(props.at("spec", "selector"), labels),
      );
      if (budgets.length === 0)
        yield {
          path: "",
          message: "no PodDisruptionBudget chooses its pods",
          hint: "add one with maxUnavailable: 1; the platform makes one for more than one replica",
        };
      for (const { props } of budgets) {
        const most = props.at("spec", "maxUnavailable");
        if (most.isPresent && (most.number === 0 || most.text === "0%"))
          yield {
            path: "",
            message: "its PodDisruptionBudget lets no pod go (maxUnavailable: 0)",
            hint: "set 1",
          };
      }
    },
  },
  {
    id: "prod-spread",
    title: "What serves in prod is spread over zones and nodes",
    why: "Two replicas on one node go together",
    severity: "medium",
    levels: onlyInProd,
    references: ["Kubernetes, Pod Topology Spread Constraints"],
    types: [deployment],
    scope: "resource",
    limits: [],
    *check(resource) {
      if (!serves(resource)) return;
      const constraints = podOf(resource).at("spec", "topologySpreadConstraints");
      const keys = constraints.items.map((constraint) => constraint.at("topologyKey").text);
      for (const key of ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]) {
        if (!keys.includes(key))
          yield violation(
            constraints,
            `nothing spreads it over ${key}`,
            "add a topologySpreadConstraint for it",
          );
      }
    },
  },
  {
    id: "bench-ttl",
    title: "Everything of a benchmark cluster says how long it may live",
    why: "The sweep that deletes forgotten clusters goes by that tag",
    severity: "high",
    levels: onlyInBench,
    references: [],
    types: taggedTypes,
    scope: "resource",
    limits: [maxHours],
    *check(resource, { limit }) {
      const value = tagsOf(resource)
        .map((tags) => tags.at("ttl"))
        .find((tag) => tag.isPresent);
      const place = resource.props.at("tags", "ttl");
      const hours = hoursIn(value?.text ?? "");
      if (hours === undefined)
        yield violation(
          place,
          value === undefined ? "missing" : `${value.text ?? ""} is no time to live`,
          "write it like 8h (eks.tags.ttl)",
        );
      else if (hours > limit(maxHours))
        yield violation(
          place,
          `${value?.text ?? ""} is longer than ${String(limit(maxHours))} hours`,
          "take less",
        );
    },
  },
  {
    id: "bench-deletable",
    title: "Nothing of a benchmark cluster stands in the way of its deletion",
    why: "What `pulumi destroy` leaves behind is paid for until somebody finds it",
    severity: "high",
    levels: onlyInBench,
    references: [],
    types: taggedTypes,
    scope: "resource",
    limits: [],
    *check({ type, props, isProtected }) {
      if (isProtected === true)
        yield { path: "", message: "Pulumi refuses to delete it", hint: "leave out eks.protect" };
      for (const key of ["deletionProtection", "enableDeletionProtection", "disableApiTermination"]) {
        if (props.at(key).isPresent && props.at(key).boolean === true)
          yield violation(props.at(key), "AWS refuses to delete it", "set it to false");
      }
      const whole: Readonly<Record<string, string>> = {
        "aws:s3/bucket:Bucket": "forceDestroy",
        "aws:s3/bucketV2:BucketV2": "forceDestroy",
        "aws:ecr/repository:Repository": "forceDelete",
      };
      const key = whole[type];
      if (key !== undefined && props.at(key).boolean !== true)
        yield violation(props.at(key), "AWS deletes it only when it is empty", "set it to true");
      const recovery = props.at("recoveryWindowInDays");
      if (type === "aws:secretsmanager/secret:Secret" && recovery.number !== 0)
        yield violation(
          recovery,
          "its name stays taken for days after it is deleted",
          "set it to 0 (eks.secretRecoveryDays)",
        );
    },
  },
];

/** A resource's own tags, those of the provider's defaults with them. */
function tagsOf({ props, provider }: PolicyResource): readonly Value[] {
  const ofProvider = provider === undefined ? [] : [provider.at("defaultTags").json.at("tags")];
  return [props.at("tags"), props.at("tagsAll"), ...ofProvider].filter((tags) => tags.isPresent);
}

/** A tag that is there with something in it; a value that is not known yet is something. */
function hasTag(resource: PolicyResource, tag: string): boolean {
  return tagsOf(resource).some((tags) =>
    tags.entries.some(([key, value]) => key === tag && (value.isUnknown || value.text !== "")),
  );
}

function serves(resource: PolicyResource): boolean {
  return mainContainersOf(podOf(resource)).some((container) => container.at("ports").items.length > 0);
}

function scales({ type, props }: PolicyResource, { props: target }: PolicyResource): boolean {
  if (type !== scaledObject && type !== autoscaler) return false;
  return (
    props.at("spec", "scaleTargetRef", "name").text === target.at("metadata", "name").text &&
    props.at("metadata", "namespace").text === target.at("metadata", "namespace").text
  );
}

/** `8h`, `90m`, `2d`, and the numbers with fractions that a duration may have. */
function hoursIn(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(m|h|d)$/.exec(text) ?? [];
  if (amount === undefined) return undefined;
  return Number(amount) * (unit === "m" ? 1 / 60 : unit === "d" ? 24 : 1);
}

/** From any zone or region that a resource names. */
function regionOf(stack: readonly PolicyResource[]): string | undefined {
  for (const { type, props, provider } of stack) {
    const region = provider?.at("region");
    if (region?.isPresent === true && !region.isUnknown) return region.text;
    const zone = type === "aws:ec2/subnet:Subnet" ? props.at("availabilityZone") : undefined;
    if (zone?.isPresent === true && !zone.isUnknown) return zone.text?.slice(0, -1);
  }
  return undefined;
}
