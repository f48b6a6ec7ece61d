import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { refusal } from "../target.ts";

/** What a stack with the layer `network` tells other stacks, as its output `network`. */
const networkSchema = z.object({
  vpcId: z.string(),
  privateSubnetIds: z.array(z.string()),
  publicSubnetIds: z.array(z.string()),
});
export type NetworkOutput = z.output<typeof networkSchema>;

/** What a stack with the layer `cluster` tells other stacks, as its output `cluster`. */
const clusterSchema = z.object({
  name: z.string(),
  endpoint: z.string(),
  certificateAuthority: z.string(),
  oidcProviderArn: z.string(),
  oidcIssuer: z.string(),
  securityGroupId: z.string(),
  kubeconfig: z.string(),
});
export type ClusterOutput = z.output<typeof clusterSchema>;

/** The stack that made the layers below: its outputs, as plain values, since they are there before this program runs. */
export class BaseStack {
  readonly #reference: pulumi.StackReference;

  constructor(private readonly name: string) {
    this.#reference = new pulumi.StackReference(name);
  }

  network(): Promise<NetworkOutput> {
    return this.#output("network", networkSchema);
  }

  cluster(): Promise<ClusterOutput> {
    return this.#output("cluster", clusterSchema);
  }

  async #output<S extends z.ZodType>(layer: string, schema: S): Promise<z.output<S>> {
    const details = await this.#reference.getOutputDetails(layer);
    const parsed = schema.safeParse(details.value);
    if (parsed.success) return parsed.data;
    throw refusal(
      `The stack ${this.name}, which eks.baseStack names, has no ${layer} yet\n` +
        `  → deploy it first, with \`${layer}\` among its eks.layers; or correct eks.baseStack`,
    );
  }
}
