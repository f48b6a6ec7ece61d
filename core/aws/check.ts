import { nodePools } from "../capacity/node-pools.ts";
import type { EksConfig } from "../spec/eks.ts";
import { eksOf, type PlatformConfig } from "../spec/platform.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import { nameProblems } from "./names.ts";
import { isMade } from "./network.ts";
import { networkProblems } from "./network-problems.ts";
import { nodeGroupProblems } from "./node-group-problems.ts";
import { regions } from "./regions.ts";
import type { Report } from "./report.ts";
import { sectionProblems } from "./section-problems.ts";
import { parseCidr } from "./subnets.ts";
import { ownTagKeys } from "./tags.ts";

/** Everything wrong with a stack's config for AWS that the config alone tells. `file` names it. */
export function checkEks(config: PlatformConfig, stack: string, file: string): Problem[] {
  const eks = eksOf(config);
  const report: Report = (path, message, hint) => ({
    file,
    path: `triton-platform:${path}`,
    message,
    hint,
  });
  return [
    ...nameProblems(eks, stack, file),
    ...regionProblems(eks, report),
    ...layerProblems(eks, report),
    ...(eks.network === undefined ? [] : networkProblems(eks.network, eks, report)),
    ...clusterProblems(eks, report),
    ...nodeGroupProblems(config, eks, report),
    ...sliceProblems(config, eks, report),
    ...(eks.layers.includes("workload") ? workloadProblems(config, eks, report) : []),
    ...tagProblems(eks, report),
    ...protectionProblems(eks, report),
  ];
}

function regionProblems({ region }: EksConfig, report: Report): Problem[] {
  return regions.includes(region)
    ? []
    : [
        report(
          "eks.region",
          `\`${region}\` is no region with EKS that is known here`,
          suggest(region, regions),
        ),
      ];
}

/** Each layer stands on those before it: they are made here too, or by the stack that is named. */
function layerProblems(eks: EksConfig, report: Report): Problem[] {
  const { layers, network, cluster, baseStack } = eks;
  const [makesNetwork, makesCluster, makesWorkload] = (["network", "cluster", "workload"] as const).map(
    (layer) => layers.includes(layer),
  );
  const isGiven = network !== undefined && !isMade(network);
  const needsBase = makesCluster === true ? makesNetwork === false && !isGiven : makesWorkload === true;
  return [
    ...(makesNetwork === true && makesWorkload === true && makesCluster === false
      ? [
          report(
            "eks.layers",
            "network and workload without the cluster between them",
            "add cluster, or leave the network to the stack that makes the cluster",
          ),
        ]
      : []),
    ...(needsBase && baseStack === undefined
      ? [
          report(
            "eks.baseStack",
            `missing, and this stack makes no ${makesCluster === true ? "network" : "cluster"}`,
            `name the stack that does, as \`pulumi stack ls\` shows it${makesCluster === true ? "; or a VPC that is there, in eks.network" : ""}`,
          ),
        ]
      : []),
    ...(!needsBase && baseStack !== undefined
      ? [
          report(
            "eks.baseStack",
            `\`${baseStack}\`, and this stack takes nothing from another one`,
            "remove it, or leave what the other stack makes out of eks.layers",
          ),
        ]
      : []),
    ...(makesNetwork === true && network === undefined
      ? [
          report(
            "eks.network",
            "missing, and this stack makes a network",
            `name its zones, like \`{ zones: [${eks.region}a, ${eks.region}b] }\`, or the VPC and subnets that are there`,
          ),
        ]
      : []),
    ...(makesNetwork === false && network !== undefined && !(isGiven && makesCluster === true)
      ? [
          report(
            "eks.network",
            "this stack makes no network",
            "remove it, or add network to eks.layers; the base stack knows its own",
          ),
        ]
      : []),
    ...(makesCluster === true && cluster === undefined
      ? [
          report(
            "eks.cluster",
            "missing, and this stack makes a cluster",
            "say who may use it: `{ access: { deployers: { principalArn: arn:aws:iam::…:role/…, policy: clusterAdmin } } }`",
          ),
        ]
      : []),
    ...(makesCluster === false && cluster !== undefined
      ? [
          report(
            "eks.cluster",
            "this stack makes no cluster",
            "remove it, or add cluster to eks.layers; the base stack knows its own",
          ),
        ]
      : []),
  ];
}

function clusterProblems({ cluster }: EksConfig, report: Report): Problem[] {
  if (cluster === undefined) return [];
  const { access, publicAccessCidrs = [] } = cluster;
  const owners = new Map<string, string>();
  return [
    ...publicAccessCidrs.flatMap((cidr, i) =>
      parseCidr(cidr).prefix === 0
        ? [
            report(
              `eks.cluster.publicAccessCidrs[${String(i)}]`,
              "the whole internet would reach the API server",
              "name the networks of those who deploy, or leave it out: then only the VPC reaches it",
            ),
          ]
        : [],
    ),
    ...(Object.values(access).some(({ policy }) => policy === "clusterAdmin")
      ? []
      : [
          report(
            "eks.cluster.access",
            "nobody has the policy clusterAdmin: not even whoever deploys could put anything on the cluster",
            "add the role that deploys, with `policy: clusterAdmin`",
          ),
        ]),
    ...Object.entries(access).flatMap(([name, { principalArn, policy, namespaces }]) => {
      const owner = owners.get(principalArn);
      owners.set(principalArn, owner ?? name);
      return [
        ...(policy === "clusterAdmin" && namespaces !== undefined
          ? [
              report(
                `eks.cluster.access.${name}.namespaces`,
                "clusterAdmin is over the whole cluster, and cannot be of some namespaces",
                "remove namespaces, or write `policy: admin`",
              ),
            ]
          : []),
        ...(owner === undefined
          ? []
          : [
              report(
                `eks.cluster.access.${name}.principalArn`,
                `the same as \`${owner}\`'s, and EKS has one entry of each`,
                "remove one of them",
              ),
            ]),
      ];
    }),
  ];
}

/** Where models are planned as well, these are found with the capacity. */
function sliceProblems({ nodes }: PlatformConfig, { layers }: EksConfig, report: Report): Problem[] {
  return layers.includes("workload")
    ? []
    : nodePools(nodes).problems.map(({ subject = "", path, message, hint }) =>
        report(`nodes.${subject}.${path}`, message, hint),
      );
}

function workloadProblems(config: PlatformConfig, eks: EksConfig, report: Report): Problem[] {
  return [...sectionProblems(config, eks, report), ...certificateProblems(eks, report)];
}

/** Source: Network Load Balancers, "Server certificates for your Network Load Balancer": ACM's of the same region. */
function certificateProblems({ loadBalancer, region, account }: EksConfig, report: Report): Problem[] {
  const { certificateArn } = loadBalancer;
  if (certificateArn === undefined) return [];
  const [, , , itsRegion = "", itsAccount = ""] = certificateArn.split(":");
  return itsRegion === region && itsAccount === account
    ? []
    : [
        report(
          "eks.loadBalancer.certificateArn",
          `the certificate is in ${itsRegion} of the account ${itsAccount}, and the load balancer in ${region} of ${account}`,
          "request or import one there",
        ),
      ];
}

/** Source: AWS Tagging, limits: 50 a resource. AWS' and Kubernetes' own come beside the stack's. */
const mostTags = 30;

function tagProblems({ tags }: EksConfig, report: Report): Problem[] {
  const keys = Object.keys(tags.others);
  return [
    ...keys.flatMap((key) => [
      ...(ownTagKeys.includes(key)
        ? [report(`eks.tags.others.${key}`, "every stack has this tag of its own", "choose another key")]
        : []),
      // The controllers read maps of tags as lists, where commas and equals signs are marks.
      ...(/^[\p{L}\p{Z}\p{N}_.:/+\-@]*$/u.test(key)
        ? []
        : [
            report(
              `eks.tags.others.${key}`,
              "this is no key of a tag that every resource can have",
              "use letters, digits, blanks and _ . : / + - @",
            ),
          ]),
    ]),
    ...(keys.length > mostTags
      ? [
          report(
            "eks.tags.others",
            `${String(keys.length)} tags, and with those of Kubernetes and AWS a resource has room for ${String(mostTags)}`,
            "leave some out",
          ),
        ]
      : []),
  ];
}

function protectionProblems({ protect, secretRecoveryDays }: EksConfig, report: Report): Problem[] {
  return protect && secretRecoveryDays === 0
    ? [
        report(
          "eks.secretRecoveryDays",
          "0, and the stack is protected: a deleted secret would be gone at once",
          "write 7 to 30, or leave it out: 30",
        ),
      ]
    : [];
}
