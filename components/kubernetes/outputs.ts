import type * as pulumi from "@pulumi/pulumi";
import { publishedAt, type KubernetesDescription } from "../../core/kubernetes/plan.ts";

/**
 * Outputs of a stack whose balancer has a load balancer before it: where clients outside the cluster call, at `name` where
 * that leads there, and its own name or address. Without one yet, the addresses inside the cluster.
 */
export function publishedOutputs(
  description: KubernetesDescription,
  address: pulumi.Output<string | undefined>,
  tls: boolean,
  name?: string,
): Record<string, unknown> {
  const published = address.apply((there) =>
    there === undefined ? description : publishedAt(description, name ?? there, tls),
  );
  return {
    ...description,
    endpoints: published.apply(({ endpoints }) => endpoints),
    servers: published.apply(({ servers }) => servers),
    address,
  };
}
