import type { INamespace } from "kubernetes-models/v1";
import { namespaceObject } from "../kubernetes/names.ts";
import type { ControllerPlan } from "./plan.ts";

/** Namespaces that controllers go to and that a new cluster does not have; none of their pods needs a privilege. */
export function controllerNamespaces(controllers: readonly ControllerPlan[]): INamespace[] {
  const names = new Set(controllers.map(({ chart }) => chart.namespace));
  return [...names]
    .filter((name) => name !== "kube-system")
    .sort()
    .map((name) => namespaceObject(name, "restricted"));
}
