import type { KubernetesPlan } from "../kubernetes/plan.ts";
import { objectsOf } from "../kubernetes/render.ts";
import { modelRepositoryType, resourceOfObject, stackType } from "./resources.ts";
import type { PolicyResource } from "./rule.ts";
import { Value } from "./value.ts";

/**
 * What a plan of the target `kubernetes` will make, as rules see it. The engine sees the same, but for charts, which
 * render themselves on a cluster, and for model repositories that are no resources: those of volumes and images.
 */
export function kubernetesResources(plan: KubernetesPlan, stack: string): readonly PolicyResource[] {
  return [
    stackResource(stack),
    ...objectsOf(plan).map(resourceOfObject),
    ...plan.servers.map(({ plan: { name, repository, config } }): PolicyResource => {
      // What a server goes back to lies in its store, and is not known here.
      const files = config.rollback === undefined ? { files: repository.files } : {};
      return { type: modelRepositoryType, name, props: new Value({ server: name, ...files }) };
    }),
  ];
}

/** The stack itself. */
export function stackResource(name: string): PolicyResource {
  return { type: stackType, name, props: new Value({}) };
}
