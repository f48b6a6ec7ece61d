import { ec2Types, type Ec2Type } from "../capacity/nodes.ts";
import type { EksConfig } from "../spec/eks.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import { formatBytes, formatSize } from "../spec/units.ts";
import { zoneProblems } from "./network-problems.ts";
import { isMade } from "./network.ts";
import {
  findType,
  poolsOf,
  sizesOf,
  usesLocalDisk,
  volumeSizeOf,
  zonesOf,
  type Pool,
} from "./node-groups.ts";
import type { Report } from "./report.ts";

/** What is wrong with the pools of `nodes` as node groups, and with what `eks.nodeGroups` says about them. */
export function nodeGroupProblems(config: PlatformConfig, eks: EksConfig, report: Report): Problem[] {
  const { nodes } = config;
  const { nodeGroups, layers } = eks;
  const written = Object.keys(nodes);
  const noInstances = Object.entries(nodes).flatMap(([name, { allocatable }]) =>
    allocatable === undefined
      ? []
      : [
          report(
            `nodes.${name}.allocatable`,
            "on eks a pool is a group of EC2 instances",
            "write instanceType instead, like `instanceType: p4de.24xlarge`",
          ),
        ],
  );
  if (!layers.includes("cluster"))
    return [
      ...noInstances,
      ...(Object.keys(nodeGroups).length === 0
        ? []
        : [
            report(
              "eks.nodeGroups",
              "this stack makes no node groups: the cluster is another stack's",
              "move it to the stack that makes the cluster",
            ),
          ]),
    ];
  const pools = poolsOf(config, eks);
  return [
    ...noInstances,
    ...Object.keys(nodeGroups).flatMap((name) =>
      written.includes(name)
        ? []
        : [report(`eks.nodeGroups.${name}`, `\`nodes\` has no pool \`${name}\``, suggest(name, written))],
    ),
    ...(pools.some(({ type }) => type.gpu === undefined) || noInstances.length > 0
      ? []
      : [
          report(
            "nodes",
            "no pool is without GPUs: controllers, DNS and the balancer tolerate no GPU nodes and would run nowhere",
            "add one, like `workers: { instanceType: m7i.xlarge, count: 2 }`",
          ),
        ]),
    ...pools.flatMap((pool) => poolProblems(pool, eks, report)),
  ];
}

function poolProblems(pool: Pool, eks: EksConfig, report: Report): Problem[] {
  const { name } = pool;
  const at: Report = (path, message, hint) => report(`eks.nodeGroups.${name}.${path}`, message, hint);
  return [
    ...poolNameProblems(name, report),
    ...sizeProblems(pool, report, at),
    ...volumeProblems(pool, report),
    ...placeProblems(pool, eks, at),
    ...otherTypeProblems(pool, at),
  ];
}

/**
 * Of a group, and of the label that its nodes have. Source: EKS API, CreateNodegroup, `nodegroupName`, at most 63 characters,
 * of which Pulumi takes some for a suffix, without which no group could be replaced by another.
 */
function poolNameProblems(name: string, report: Report): Problem[] {
  return /^[a-zA-Z0-9]([\w-]{0,30}[a-zA-Z0-9])?$/.test(name)
    ? []
    : [
        report(
          `nodes.${name}`,
          `\`${name}\` is no name for a node group`,
          "use letters, digits, - and _, at most 32, a letter or digit at both ends",
        ),
      ];
}

/** Source: EKS API, NodegroupScalingConfig: `maxSize` is 1 at least. */
function sizeProblems(pool: Pool, report: Report, at: Report): Problem[] {
  const { minSize, desiredSize, maxSize } = sizesOf(pool);
  return [
    ...(minSize > desiredSize
      ? [
          at(
            "minCount",
            `${String(minSize)}, and the pool begins with ${String(desiredSize)}`,
            `write at most ${String(desiredSize)}, or raise nodes.${pool.name}.count`,
          ),
        ]
      : []),
    ...(maxSize === 0
      ? [
          report(
            `nodes.${pool.name}.maxCount`,
            "0, and a group without nodes would never have one",
            "write `maxCount: 1` or more, or leave the pool out",
          ),
        ]
      : []),
  ];
}

/** The images' own snapshot, in bytes. Source: EKS user guide, "Create a managed node group": 20 GiB by default. */
const smallestVolume = 20 * 1024 ** 3;
/** Source: EBS user guide, "General Purpose SSD volumes": gp3. */
const largestVolume = 64 * 1024 ** 4;
/** What the capacity check counts with where a pool says nothing. */
const countedDisk = 100 * 1024 ** 3;

function volumeProblems(pool: Pool, report: Report): Problem[] {
  const volume = volumeSizeOf(pool);
  const path = `eks.nodeGroups.${pool.name}.volumeSize`;
  const hint = `write ${formatSize(smallestVolume)} to ${formatSize(largestVolume)}`;
  if (volume < smallestVolume)
    return [report(path, `${formatBytes(volume)}: the system itself has no room in it`, hint)];
  if (volume > largestVolume)
    return [report(path, `${formatBytes(volume)}: EBS has no volume of that size`, hint)];
  return !usesLocalDisk(pool) && pool.config.disk === undefined && volume < countedDisk
    ? [
        report(
          path,
          `${formatBytes(volume)}, and replicas were placed on nodes of ${formatBytes(countedDisk)}`,
          `say it to the pool as well: nodes.${pool.name}.disk`,
        ),
      ]
    : [];
}

function placeProblems({ group }: Pool, { network, region }: EksConfig, at: Report): Problem[] {
  const { capacity, zones = [] } = group;
  const place = "zone" in capacity ? "capacity.zone" : "zones";
  const wanted = zonesOf(group) ?? [];
  const known = network !== undefined && isMade(network) ? network.zones : undefined;
  return [
    ...("zone" in capacity && zones.length > 0
      ? [
          at(
            "zones",
            `the capacity is in ${capacity.zone}, and so are its nodes`,
            "remove zones: the reservation has one",
          ),
        ]
      : []),
    ...zoneProblems(place, wanted, region, at),
    ...wanted
      .filter((zone) => known?.includes(zone) === false && zone.startsWith(region))
      .map((zone) =>
        at(
          place,
          `the network has no subnets in ${zone}: it is in ${known?.join(", ") ?? ""}`,
          "add the zone to eks.network.zones, at the end",
        ),
      ),
  ];
}

/** The autoscaler and the capacity check count with the pool's own type: every other must hold what that holds. */
function otherTypeProblems(pool: Pool, at: Report): Problem[] {
  const { type, group } = pool;
  if ("id" in group.capacity && group.otherInstanceTypes.length > 0)
    return [
      at("otherInstanceTypes", `a reservation is of one type, ${type.name}`, "remove otherInstanceTypes"),
    ];
  return group.otherInstanceTypes.flatMap((name, i) => {
    const path = `otherInstanceTypes[${String(i)}]`;
    const other = findType(name);
    if (other === undefined)
      return [at(path, `\`${name}\` is no type that is known here`, suggest(name, alikeTypes(pool)))];
    if (other.name === type.name) return [at(path, `\`${name}\` is the pool's own type`, "remove it")];
    const lacking = lackingOf(other, pool);
    return lacking === undefined
      ? []
      : [at(path, `\`${name}\` has ${lacking}`, `use types like ${type.name}, and no smaller`)];
  });
}

function alikeTypes(pool: Pool): string[] {
  return ec2Types
    .filter((other) => other !== pool.type && lackingOf(other, pool) === undefined)
    .map(({ name }) => name);
}

/** What another type has otherwise; undefined where it will do. */
function lackingOf(other: Ec2Type, { config, type }: Pick<Pool, "config" | "type">): string | undefined {
  const gpusOf = ({ gpu, gpus }: Ec2Type): string =>
    gpu === undefined ? "no GPUs" : `${String(gpus)} × ${gpu}`;
  if (gpusOf(other) !== gpusOf(type)) return `${gpusOf(other)}, and ${type.name} has ${gpusOf(type)}`;
  if (other.vcpus < type.vcpus)
    return `${String(other.vcpus)} vCPUs, and ${type.name} has ${String(type.vcpus)}`;
  if (other.memory < type.memory)
    return `${formatBytes(other.memory)} of memory, and ${type.name} has ${formatBytes(type.memory)}`;
  if (usesLocalDisk({ config, type }) && other.localDisk < type.localDisk)
    return `${formatBytes(other.localDisk)} of local disks, and ${type.name} has ${formatBytes(type.localDisk)}`;
  return other.maxPods < type.maxPods
    ? `addresses for ${String(other.maxPods)} pods, and ${type.name} for ${String(type.maxPods)}`
    : undefined;
}
