import { isInside } from "../../kubernetes/reachability.ts";
import { textsLimit } from "../limit.ts";
import { mainContainersOf, podOf, podTypes, selects } from "../resources.ts";
import { everywhere, strictInProd, violation } from "../rule.ts";
import type { PolicyResource, PolicyRule } from "../rule.ts";
import { isEverybody } from "./eks.ts";

/** Who may talk to whom. */

const networkPolicy = "kubernetes:networking.k8s.io/v1:NetworkPolicy";

const internalClasses = textsLimit(
  "internalClasses",
  "Classes of load balancers (spec.loadBalancerClass) that give out addresses inside alone, like MetalLB's",
  [],
);

/** Annotations by which clouds keep a load balancer inside. */
const internalAnnotations: readonly (readonly [key: string, value: string])[] = [
  ["service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"],
  ["service.beta.kubernetes.io/aws-load-balancer-internal", "true"],
  ["service.beta.kubernetes.io/azure-load-balancer-internal", "true"],
  ["networking.gke.io/load-balancer-type", "Internal"],
];

export const networkRules: readonly PolicyRule[] = [
  {
    id: "balancer-not-public",
    title: "The balancer is inside, or for named networks alone",
    why: "Inference costs money by the call, and everybody may call",
    severity: "high",
    levels: strictInProd,
    references: [],
    types: ["kubernetes:core/v1:Service"],
    scope: "resource",
    limits: [internalClasses],
    *check({ props }, { limit }) {
      const spec = props.at("spec");
      if (spec.at("type").text !== "LoadBalancer") return;
      const annotations = props.at("metadata", "annotations");
      const isInternal =
        internalAnnotations.some(([key, value]) => annotations.at(key).text === value) ||
        limit(internalClasses).includes(spec.at("loadBalancerClass").text ?? "");
      if (isInternal) return;
      const ranges = spec.at("loadBalancerSourceRanges");
      if (ranges.items.length === 0)
        yield violation(
          ranges,
          "missing, and nothing says that the load balancer is inside",
          "name the networks that call (balancer.service.loadBalancerSourceRanges), or make it internal",
        );
      for (const range of ranges.items) {
        if (isEverybody(range.text))
          yield violation(range, `${range.text ?? ""} is everybody`, "name the networks that call");
      }
    },
  },
  {
    id: "network-default-deny",
    title: "Network policies choose every pod, for both directions",
    why: "What no policy chooses may talk to everything, and everything to it",
    severity: "high",
    levels: everywhere,
    references: ["Checkov CKV2_K8S_6", "CIS EKS 4.3.2", "Kyverno add-networkpolicy"],
    types: podTypes,
    scope: "stack",
    limits: [],
    *check(resource, { stack }) {
      const policies = stack.filter(
        (other) => other.type === networkPolicy && isInSameNamespace(other, resource),
      );
      const labels = podOf(resource).at("metadata", "labels");
      const chosen = policies.filter(({ props }) => selects(props.at("spec", "podSelector"), labels));
      for (const direction of ["Ingress", "Egress"]) {
        if (!chosen.some(({ props }) => props.at("spec", "policyTypes").texts.includes(direction)))
          yield {
            path: "",
            message: `no NetworkPolicy restricts its ${direction.toLowerCase()}`,
            hint: "add one that chooses every pod of the namespace and allows nothing (networkPolicies.enabled)",
          };
      }
    },
  },
  {
    id: "network-egress-named",
    title: "No network policy lets all pods out to the internet, or any pod to the metadata service",
    why: "A taken-over model would send its data anywhere, or fetch the node's credentials",
    severity: "high",
    levels: everywhere,
    references: ["CIS EKS 4.3.2"],
    types: [networkPolicy],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const spec = props.at("spec");
      const choosesAll =
        spec.at("podSelector", "matchLabels").entries.length === 0 &&
        spec.at("podSelector", "matchExpressions").items.length === 0;
      for (const rule of spec.at("egress").items) {
        if (rule.at("to").items.length === 0) {
          yield violation(rule, "everything may be reached", "name what is called");
          continue;
        }
        for (const peer of rule.at("to").items) {
          const block = peer.at("ipBlock");
          const cidr = block.at("cidr").text;
          if (cidr === undefined) continue;
          if (choosesAll && isEverybody(cidr))
            yield violation(
              block.at("cidr"),
              `every pod of the namespace may call ${cidr}`,
              "choose the pods that call out, by their labels",
            );
          if (reachesMetadata(cidr, block.at("except").texts))
            yield violation(
              block,
              `${cidr} has the metadata service in it`,
              "add except: [169.254.169.254/32]",
            );
        }
      }
    },
  },
  {
    id: "balancer-authenticates",
    title: "The balancer of prod asks callers for a key or a certificate, over TLS",
    why: "Else whoever is in the network may call every model, and the paid ones at your cost",
    severity: "high",
    levels: { dev: "disabled", staging: "advisory", prod: "mandatory", bench: "disabled" },
    references: ["CIS EKS 5.4.5"],
    types: ["kubernetes:apps/v1:Deployment"],
    scope: "stack",
    limits: [],
    *check(resource, { stack }) {
      const pod = podOf(resource);
      const isBalancer = mainContainersOf(pod).some(
        (container) => container.at("command").texts[0] === "haproxy",
      );
      if (!isBalancer) return;
      const volumes = pod.at("spec", "volumes");
      const has = (name: string): boolean =>
        volumes.items.some((volume) => volume.at("name").text === name && volume.at("secret").isPresent);
      if (!has("api-keys") && !has("client-certificates"))
        yield violation(
          volumes,
          "everybody who reaches it may call",
          "set balancer.apiKeys or balancer.clientCertificates",
        );
      if (!has("tls") && !stack.some((other) => endsTlsFor(other, resource)))
        yield violation(
          volumes,
          "keys and prompts go over the network in plain text",
          "set balancer.tls, or a certificate of the load balancer before it (eks.loadBalancer.certificateArn)",
        );
    },
  },
];

/** A Service whose load balancer ends TLS before it calls the pods. Source: AWS Load Balancer Controller, "NLB annotations". */
function endsTlsFor(service: PolicyResource, balancer: PolicyResource): boolean {
  if (service.type !== "kubernetes:core/v1:Service" || !isInSameNamespace(service, balancer)) return false;
  const certificate = "service.beta.kubernetes.io/aws-load-balancer-ssl-cert";
  const labels = podOf(balancer).at("metadata", "labels");
  const selector = service.props.at("spec", "selector").entries;
  return (
    service.props.at("metadata", "annotations", certificate).isPresent &&
    selector.length > 0 &&
    selector.every(([key, value]) => labels.at(key).text === value.text)
  );
}

function isInSameNamespace(a: PolicyResource, b: PolicyResource): boolean {
  return a.props.at("metadata", "namespace").text === b.props.at("metadata", "namespace").text;
}

function reachesMetadata(cidr: string, except: readonly string[]): boolean {
  const service = "169.254.169.254";
  return (
    !cidr.includes(":") &&
    isInside(service, cidr) &&
    !except.some((hole) => !hole.includes(":") && isInside(service, hole))
  );
}
