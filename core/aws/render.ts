import yaml from "js-yaml";
import { renderKubernetesPlan } from "../kubernetes/render.ts";
import { controllerNamespaces } from "./controller-namespaces.ts";
import type { ControllerPlan, EksPlan } from "./plan.ts";

/**
 * What a stack on AWS would make of the cluster's objects and charts, as files for people and for diffs: text by path, sorted.
 * Its resources in AWS are what the program registers, and are none of these. The same plan gives the same bytes.
 */
export function renderEksPlan({ cluster, workload }: EksPlan): ReadonlyMap<string, string> {
  const controllers = cluster?.controllers ?? [];
  const files = [
    ...controllerNamespaces(controllers).map((object): [string, string] => [
      `manifests/namespace-${object.metadata?.name ?? ""}.yaml`,
      toYaml(object),
    ]),
    ...controllers.map((controller): [string, string] => [
      `charts/${controller.chart.name}.yaml`,
      toYaml(chartOf(controller)),
    ]),
    ...(workload === undefined ? [] : renderKubernetesPlan(workload.kubernetes)),
  ];
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The VPC's id is not known before. */
function chartOf({ chart, vpcIdValue }: ControllerPlan): object {
  return vpcIdValue === undefined
    ? chart
    : { ...chart, values: { ...chart.values, [vpcIdValue]: "(the VPC's id)" } };
}

function toYaml(value: object): string {
  return yaml.dump(value, { lineWidth: -1, noRefs: true });
}
