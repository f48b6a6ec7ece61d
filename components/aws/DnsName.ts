import { Record } from "@pulumi/aws/route53/record.js";
import * as pulumi from "@pulumi/pulumi";

export interface DnsNameArgs {
  /** Hosted zone of Route 53. */
  zoneId: pulumi.Input<string>;
  /** Below the zone's own name, in full: `models.example.com`. */
  name: pulumi.Input<string>;
  /** Name that it stands for: the load balancer's. */
  address: pulumi.Input<string>;
}

/** How long resolvers keep it, in seconds: another load balancer is found a minute after it is there. */
const ttl = 60;

/**
 * A name in Route 53 for the load balancer, whose own is AWS' choice.
 *
 * @example
 * ```ts
 * import { DnsName } from "triton-platform/components";
 *
 * new DnsName("models", {
 *   zoneId: "Z0123456789ABCDEFGHIJ",
 *   name: "models.example.com",
 *   address: "triton-0123456789abcdef.elb.us-east-1.amazonaws.com",
 * });
 * ```
 */
export class DnsName extends pulumi.ComponentResource {
  constructor(name: string, args: DnsNameArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:DnsName", name, {}, opts);
    const { zoneId, name: host, address } = args;
    new Record(
      `${name}-record`,
      { zoneId, name: host, type: "CNAME", ttl, records: [address] },
      { parent: this },
    );
    this.registerOutputs();
  }
}
