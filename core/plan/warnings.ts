import type { ObjectChange } from "./changes.ts";

/** Kinds whose replacement or deletion is felt, and how: calls fail, what they hold is gone, or it takes long. */
const felt: Readonly<Record<string, { readonly replaced: string; readonly deleted?: string }>> = {
  Deployment: { replaced: "what it serves is away until the new one is ready" },
  Service: { replaced: "what it serves is away until the new one is ready" },
  Secret: { replaced: "what reads it has nothing until the new one is there" },
  Namespace: { replaced: "everything in it goes with the old one" },
  PersistentVolumeClaim: { replaced: "what lies on the old volume is gone" },
  Cluster: {
    replaced:
      "the new control plane takes some ten minutes, with another API server, another OIDC issuer and none of the old objects",
    deleted: "everything on it goes with it",
  },
  NodeGroup: {
    replaced:
      "new nodes come first, which wants capacity and quota for both, then every pod of the old ones moves",
    deleted: "its nodes go, with the pods on them",
  },
  Bucket: {
    replaced: "the new one is empty, and what lies in the old one does not come along",
    deleted: "with what lies in it where forceDestroy is set, else AWS refuses",
  },
  Key: {
    replaced: "what the old one encrypted cannot be read once its waiting time is over",
    deleted: "what it encrypted cannot be read once its waiting time is over",
  },
  Repository: { replaced: "the new one has no images", deleted: "its images go with it" },
  Vpc: { replaced: "everything in it is made anew", deleted: "everything in it has to go before" },
  Subnet: { replaced: "what is in it moves or is made anew" },
  NatGateway: { replaced: "calls from private subnets end, and come from another address afterwards" },
  Eip: {
    replaced: "others that allow the old address must allow the new one",
    deleted: "it cannot be had back",
  },
  OpenIdConnectProvider: { replaced: "no pod gets its role until all trust policies name the new one" },
  LogGroup: { replaced: "its logs are gone", deleted: "its logs are gone" },
  FileSystem: { replaced: "the new one is empty", deleted: "what lies on it is gone" },
  Volume: { replaced: "the new one is empty", deleted: "what lies on it is gone" },
  LoadBalancer: { replaced: "callers need another name, and open connections end" },
};

/** What people should know before a change is deployed: of what is stateful or slow. */
export function replacementWarning({ object, kind, effect }: ObjectChange): string[] {
  const known = felt[object.slice(0, object.indexOf(" "))];
  if (known === undefined) return [];
  if (effect === "rolls nodes")
    return [`${object} rolls its nodes: each is drained and comes anew, which takes minutes a node`];
  if (effect === "replaced") return [`${object} is replaced: ${known.replaced}`];
  if (kind !== "deleted") return [];
  return [`${object} is deleted${known.deleted === undefined ? "" : `: ${known.deleted}`}`];
}
