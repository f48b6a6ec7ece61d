import yaml from "js-yaml";
import { generatedTexts, manifest } from "../triton/repository.ts";
import type { ChartRelease } from "./charts.ts";
import type { KubernetesPlan } from "./plan.ts";

/** Any object of the Kubernetes API, as far as files need it. */
interface AnyObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string };
}

/**
 * Everything that a plan would create, as files for people and for diffs: text by path, sorted. Values of Secrets are
 * not in a plan, and so in no file. The same plan gives the same bytes.
 */
export function renderKubernetesPlan(plan: KubernetesPlan): ReadonlyMap<string, string> {
  const files: [path: string, text: string][] = [
    ...objectsOf(plan).map((object): [string, string] => [
      `manifests/${object.kind.toLowerCase()}-${object.metadata?.name ?? ""}.yaml`,
      toYaml(object),
    ]),
    ...chartsOf(plan).map((chart): [string, string] => [`charts/${chart.name}.yaml`, toYaml(chart)]),
    ...plan.serverImages.flatMap(({ build }) =>
      build.files.map(({ path, content }): [string, string] => [`images/${build.tag}/${path}`, content]),
    ),
    ...plan.balancer.configMaps.flatMap(({ data = {} }) =>
      Object.entries(data).map(([name, text]): [string, string] => [`balancer/${name}`, text]),
    ),
    ...plan.servers.flatMap(({ plan: { name, repository } }) => [
      ...generatedTexts(repository).map(({ path, content }): [string, string] => [
        `repositories/${name}/${path}`,
        content,
      ]),
      [`repositories/${name}/manifest`, manifest(repository.files)] satisfies [string, string],
    ]),
  ];
  const byPath = new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
  if (byPath.size < files.length) throw new Error("two objects of the plan have the same kind and name");
  return byPath;
}

/** Every object of the plan, in the order of their creation. */
export function objectsOf(plan: KubernetesPlan): readonly AnyObject[] {
  const { balancer, monitoring } = plan;
  const objects: readonly (AnyObject | undefined)[] = [
    plan.namespaceObject,
    plan.addonsNamespaceObject,
    plan.dcgmCounters,
    monitoring.namespaceObject,
    monitoring.grafanaAdminSecret,
    ...plan.networkPolicies,
    plan.secretStore?.serviceAccount,
    plan.secretStore?.store,
    plan.holysheepSecret,
    plan.holysheepExternalSecret,
    plan.apiKeysExternalSecret,
    plan.headroomPriorityClass,
    ...plan.servers.flatMap(({ objects: server }) => [
      server.serviceAccount,
      server.service,
      server.deployment,
      server.podDisruptionBudget,
      server.scaledObject,
      server.horizontalPodAutoscaler,
      server.headroom,
    ]),
    balancer.serviceAccount,
    ...balancer.configMaps,
    plan.apiKeysSecret,
    balancer.service,
    balancer.deployment,
    balancer.podDisruptionBudget,
    ...monitoring.serviceMonitors,
    ...monitoring.podMonitors,
    monitoring.prometheusRule,
    ...monitoring.dashboards,
  ];
  return objects.flatMap((object) => object ?? []);
}

function chartsOf({ charts, monitoring }: KubernetesPlan): readonly ChartRelease[] {
  return [...charts, ...(monitoring.chart === undefined ? [] : [monitoring.chart])];
}

function toYaml(value: object): string {
  return yaml.dump(value, { lineWidth: -1, noRefs: true });
}
