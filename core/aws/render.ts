import yaml from "js-yaml";
import { renderKubernetesPlan } from "../kubernetes/render.ts";
import { omit } from "../objects.ts";
import { controllerNamespaces } from "./controller-namespaces.ts";
import type { ControllerPlan, EksPlan, PodRolePlan, ServiceRolePlan } from "./plan.ts";

/**
 * Everything that a stack on AWS would create, as files for people and for diffs: text by path, sorted. Of secrets there are
 * the names alone. The same plan gives the same bytes.
 */
export function renderEksPlan(plan: EksPlan): ReadonlyMap<string, string> {
  const namespaces = controllerNamespaces(plan.cluster?.controllers ?? []).map((object): [string, string] => [
    `manifests/namespace-${object.metadata?.name ?? ""}.yaml`,
    toYaml(object),
  ]);
  const ofCluster = plan.workload === undefined ? [] : renderKubernetesPlan(plan.workload.kubernetes);
  const files = [...renderAwsPlan(plan), ...namespaces, ...ofCluster];
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * What a stack makes in AWS, as files for people and for diffs, beside those of the cluster's objects
 * (core/kubernetes/render.ts): text by path, sorted. Of secrets there are the names alone. The same plan gives the same bytes.
 */
export function renderAwsPlan(plan: EksPlan): ReadonlyMap<string, string> {
  const { network, cluster, workload } = plan;
  const roles = rolesOf(plan);
  const files: [path: string, content: object | undefined][] = [
    ["aws/stack.yaml", omit(plan, "network", "cluster", "workload")],
    ["aws/network.yaml", network && ("flowLogRole" in network ? omit(network, "flowLogRole") : network)],
    ["aws/cluster.yaml", cluster && omit(cluster, "role", "nodeRole", "nodeGroups", "controllers", "addons")],
    ...(cluster?.addons ?? []).map((addon): [string, object] => [
      `aws/addons/${addon.name}.yaml`,
      omit(addon, "role"),
    ]),
    ...(cluster?.nodeGroups ?? []).map((group): [string, object] => [
      `aws/node-groups/${group.name}.yaml`,
      group,
    ]),
    ...(cluster?.controllers ?? []).map((controller): [string, object] => [
      `aws/charts/${controller.chart.name}.yaml`,
      chartOf(controller),
    ]),
    ...roles.map((role): [string, object] => [`aws/roles/${role.roleName}.yaml`, role]),
    ["aws/bucket.yaml", workload?.bucket],
    ["aws/image-repository.yaml", workload?.imageRepository],
    ["aws/secrets.yaml", workload?.secrets && secretNames(workload.secrets)],
    ["aws/dns.yaml", workload?.dns],
  ];
  const texts = files.flatMap(([path, content]): [string, string][] =>
    content === undefined ? [] : [[path, toYaml(content)]],
  );
  return new Map(texts.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function rolesOf({ network, cluster, workload }: EksPlan): (PodRolePlan | ServiceRolePlan)[] {
  const all = [
    network !== undefined && "flowLogRole" in network ? network.flowLogRole : undefined,
    cluster?.role,
    cluster?.nodeRole,
    ...(cluster?.addons ?? []).map(({ role }) => role),
    ...(cluster?.controllers ?? []).map(({ role }) => role),
    workload?.readerRole,
    workload?.secrets?.readerRole,
  ];
  return all.flatMap((role) => role ?? []);
}

/** The VPC's id is not known before. */
function chartOf({ chart, vpcIdValue }: ControllerPlan): object {
  return vpcIdValue === undefined
    ? chart
    : { ...chart, values: { ...chart.values, [vpcIdValue]: "(the VPC's id)" } };
}

/** Hashes of API keys are no secret, and are in the stack's config; they may be long. */
function secretNames({
  holysheepApiKey,
  apiKeys,
  recoveryDays,
}: NonNullable<NonNullable<EksPlan["workload"]>["secrets"]>): object {
  return {
    names: [holysheepApiKey, apiKeys?.name].flatMap((name) => name ?? []),
    recoveryDays,
  };
}

function toYaml(value: object): string {
  return yaml.dump(value, { lineWidth: -1, noRefs: true });
}
