import { gpuResource } from "../capacity/catalogue.ts";
import type { EksConfig } from "../spec/eks.ts";
import type { KubernetesSection } from "../spec/kubernetes.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Problem } from "../spec/problem.ts";
import { isMade } from "./network.ts";
import type { Report } from "./report.ts";
import { gpuAddons, sectionOf } from "./workload.ts";

/** What `triton-platform:kubernetes` says and cannot say on EKS, since it is made or decided there. */
export function sectionProblems(config: PlatformConfig, eks: EksConfig, report: Report): Problem[] {
  const section = sectionOf(config);
  const at: Report = (path, message, hint) => report(`kubernetes.${path}`, message, hint);
  return [
    ...ownFields(section).flatMap(({ path, isSet, hint }) =>
      isSet ? [at(path, "on eks this is made by the stack", hint)] : [],
    ),
    ...(section.clusterDomain === "cluster.local"
      ? []
      : [at("clusterDomain", `\`${section.clusterDomain}\`, and EKS has cluster.local`, "remove it")]),
    ...addonProblems(config, section, at),
    ...tolerationProblems(config, section, at),
    ...stsProblems(section, eks, at),
  ];
}

interface OwnField {
  readonly path: string;
  readonly isSet: boolean;
  readonly hint: string;
}

function ownFields({
  context,
  kubeconfig,
  repository,
  externalSecrets,
  serverImage,
  balancer: { service },
}: KubernetesSection): OwnField[] {
  const ofLoadBalancer = "remove it: the balancer is behind a network load balancer, see eks.loadBalancer";
  return [
    {
      path: "context",
      isSet: context !== undefined,
      hint: "remove it: the cluster is this stack's, or eks.baseStack's",
    },
    {
      path: "kubeconfig",
      isSet: kubeconfig !== undefined,
      hint: "remove it: the cluster is this stack's, or eks.baseStack's",
    },
    {
      path: "repository",
      isSet: repository !== undefined,
      hint: "remove it: models are in a bucket of this stack, see eks.repository",
    },
    {
      path: "externalSecrets",
      isSet: externalSecrets !== undefined,
      hint: "remove it: secrets of the stack's config are kept in AWS Secrets Manager",
    },
    {
      path: "serverImage",
      isSet: serverImage !== undefined,
      hint: "name the requirements in eks.serverImage instead",
    },
    { path: "balancer.service.type", isSet: service.type !== "ClusterIP", hint: ofLoadBalancer },
    {
      path: "balancer.service.annotations",
      isSet: Object.keys(service.annotations).length > 0,
      hint: ofLoadBalancer,
    },
    {
      path: "balancer.service.loadBalancerClass",
      isSet: service.loadBalancerClass !== undefined,
      hint: ofLoadBalancer,
    },
    {
      path: "balancer.service.loadBalancerSourceRanges",
      isSet: service.loadBalancerSourceRanges.length > 0,
      hint: "name them in eks.loadBalancer.sourceRanges instead",
    },
    {
      path: "balancer.service.externalTrafficPolicy",
      isSet: service.externalTrafficPolicy !== undefined,
      hint: ofLoadBalancer,
    },
  ];
}

/** Only the GPU operator's MIG manager cuts GPUs. */
function addonProblems(config: PlatformConfig, { gpu }: KubernetesSection, at: Report): Problem[] {
  const cut = Object.entries(config.nodes).find(({ 1: { mig } }) => mig !== undefined);
  return cut !== undefined && gpuAddons(gpu, config).addon !== "gpu-operator"
    ? [
        at(
          "gpu.addon",
          `\`${gpu.addon}\` cuts no GPUs, and those of the pool \`${cut[0]}\` are to be cut into \`${cut[1].mig ?? ""}\``,
          "write gpu-operator, or leave it out",
        ),
      ]
    : [];
}

function tolerationProblems(
  { servers }: PlatformConfig,
  { tolerations }: KubernetesSection,
  at: Report,
): Problem[] {
  const onGpus = Object.entries(servers).find(({ 1: { accelerator } }) => accelerator !== undefined);
  return onGpus === undefined || tolerations.some(({ key }) => key === gpuResource)
    ? []
    : [
        at(
          "tolerations",
          `GPU nodes have the taint ${gpuResource}, and replicas of \`${onGpus[0]}\` would not tolerate it`,
          `add \`{ key: ${gpuResource} }\`, or leave tolerations out`,
        ),
      ];
}

/** Without the VPC's addresses nothing here can open the way to STS, by which pods get their role. */
function stsProblems({ networkPolicies }: KubernetesSection, { network }: EksConfig, at: Report): Problem[] {
  const isKnown = network !== undefined && isMade(network);
  return isKnown || !networkPolicies.enabled || networkPolicies.objectStore !== undefined
    ? []
    : [
        at(
          "networkPolicies.objectStore",
          "missing, and where STS has an interface endpoint in the VPC no policy lets pods reach it: they would not get the role that reads models",
          "name the VPC's network: `objectStore: { cidrs: [10.0.0.0/16], port: 443 }`",
        ),
      ];
}
