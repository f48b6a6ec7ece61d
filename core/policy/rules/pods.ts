import { textsLimit } from "../limit.ts";
import { containersOf, mainContainersOf, podOf, podTypes, runsTriton } from "../resources.ts";
import { everywhere, onlyInProd, reminder, strictInProd, violation } from "../rule.ts";
import type { PolicyResource, PolicyRule, RuleContext, Violation } from "../rule.ts";
import type { Value } from "../value.ts";

/** Pods of any kind. */

const exempt = textsLimit(
  "exemptNames",
  "Names of workloads that need more than the restricted standard gives, with * for any ending",
  // DCGM reads the GPU driver: the exporter is privileged by need.
  ["*dcgm-exporter*"],
);

const allowedRegistries = textsLimit(
  "allowedRegistries",
  "Beginnings of image names, like registry.example.com/; all where the list is empty",
  [],
);

export const podRules: readonly PolicyRule[] = [
  {
    id: "pod-gpu-placement",
    title: "What asks for a GPU tolerates GPU nodes and says which card",
    why: "Without the toleration it waits for ever; without the card it starts on one that its models do not fit",
    severity: "high",
    levels: everywhere,
    references: ["Kubernetes, Schedule GPUs"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      const pod = podOf(resource);
      if (!containersOf(pod).some(asksForGpu)) return;
      const tolerations = pod.at("spec", "tolerations");
      if (!tolerations.items.some(toleratesGpus))
        yield violation(
          tolerations,
          "no toleration of the taint nvidia.com/gpu",
          "add { key: nvidia.com/gpu, operator: Exists }",
        );
      const spec = pod.at("spec");
      if (
        !nodeKeys(spec).some(
          (key) => key.startsWith("nvidia.com/") || key === "node.kubernetes.io/instance-type",
        )
      )
        yield violation(
          spec.at("affinity"),
          "any node with a GPU will do",
          "require the label nvidia.com/gpu.product by node affinity, or by a nodeSelector",
        );
    },
  },
  {
    id: "image-digest",
    title: "Images of prod are pinned by digest",
    why: "A tag can be moved: another program under the name that was reviewed",
    severity: "medium",
    levels: onlyInProd,
    references: ["Checkov CKV_K8S_43", "Kyverno require-image-checksum"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      for (const container of containersOf(podOf(resource))) {
        const image = container.at("image");
        if (!/@sha256:[0-9a-f]{64}$/.test(image.text ?? ""))
          yield violation(
            image,
            `${image.text ?? "no image"} has no digest`,
            "write image:tag@sha256:…, as `docker buildx imagetools inspect` shows it",
          );
      }
    },
  },
  {
    id: "image-tag",
    title: "No image has the tag `latest`, or none",
    why: "It is another program at every start of a pod",
    severity: "high",
    levels: everywhere,
    references: ["Checkov CKV_K8S_14", "Kyverno disallow-latest-tag"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      for (const container of containersOf(podOf(resource))) {
        const image = container.at("image");
        const name = image.text ?? "";
        if (name.includes("@sha256:")) continue;
        const tag = /:([^/:]+)$/.exec(name)?.[1];
        if (tag === undefined || tag === "latest")
          yield violation(
            image,
            `${name || "no image"} has ${tag === undefined ? "no tag" : "the tag latest"}`,
            "pin a version, or a digest",
          );
      }
    },
  },
  {
    id: "image-registry",
    title: "Images come from allowed registries",
    why: "Who may put a program into the cluster is decided by who may push to its registries",
    severity: "medium",
    levels: strictInProd,
    references: ["Kyverno restrict-image-registries"],
    types: podTypes,
    scope: "resource",
    limits: [allowedRegistries],
    *check(resource, { limit }) {
      const allowed = limit(allowedRegistries);
      if (allowed.length === 0) return;
      for (const container of containersOf(podOf(resource))) {
        const image = container.at("image");
        if (!allowed.some((beginning) => image.text?.startsWith(beginning) === true))
          yield violation(
            image,
            `${image.text ?? "no image"} is from elsewhere`,
            `use an image from ${allowed.join(", ")}`,
          );
      }
    },
  },
  {
    id: "pod-restricted",
    title:
      "Pods keep to the restricted standard: not root, no capability, seccomp, a root that nobody writes to",
    why: "A hole in a model's code is then a hole in one process, and not in the node",
    severity: "high",
    levels: everywhere,
    references: [
      "Checkov CKV_K8S_20",
      "Checkov CKV_K8S_22",
      "Checkov CKV_K8S_23",
      "Checkov CKV_K8S_31",
      "Checkov CKV_K8S_37",
      "Kyverno podsecurity-subrule-restricted",
      "CIS EKS 4.2.1",
    ],
    types: podTypes,
    scope: "resource",
    limits: [exempt],
    *check(resource, context) {
      if (isExempt(resource, context)) return;
      const pod = podOf(resource);
      for (const container of containersOf(pod))
        yield* containerViolations(container, pod.at("spec", "securityContext"));
    },
  },
  {
    id: "pod-no-host-access",
    title: "Pods stay off the host: no privileged container, no host network, processes or folders",
    why: "Each of these is a way from a pod to the whole node",
    severity: "critical",
    levels: everywhere,
    references: [
      "Checkov CKV_K8S_16",
      "Checkov CKV_K8S_17",
      "Checkov CKV_K8S_18",
      "Checkov CKV_K8S_19",
      "Kyverno disallow-host-path",
      "CIS EKS 4.2.2",
    ],
    types: podTypes,
    scope: "resource",
    limits: [exempt],
    *check(resource, context) {
      if (isExempt(resource, context)) return;
      const spec = podOf(resource).at("spec");
      for (const key of ["hostNetwork", "hostPID", "hostIPC"]) {
        if (spec.at(key).boolean === true) yield violation(spec.at(key), "true", "remove it");
      }
      for (const volume of spec.at("volumes").items) {
        const host = volume.at("hostPath");
        if (host.isPresent)
          yield violation(
            host,
            `mounts the node's ${host.at("path").text ?? "disk"}`,
            "use an emptyDir or a volume",
          );
      }
      for (const container of containersOf(podOf(resource))) {
        const value = container.at("securityContext", "privileged");
        if (value.boolean === true) yield violation(value, "the container is privileged", "remove it");
      }
    },
  },
  {
    id: "pod-no-api-token",
    title: "Pods get no token of the Kubernetes API",
    why: "Nothing here talks to the API; a token that is there is one that can be taken",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_K8S_38", "CIS EKS 4.1.6", "Kyverno restrict-automount-sa-token"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      const value = podOf(resource).at("spec", "automountServiceAccountToken");
      if (value.boolean !== false) yield violation(value, "a token is mounted", "set it to false");
    },
  },
  {
    id: "pod-resources",
    title: "Every container says what it needs and how much memory it may take; what serves has probes",
    why: "Else it is placed where there is no room, kills its neighbours, or gets calls before it can answer",
    severity: "medium",
    levels: strictInProd,
    references: [
      "Checkov CKV_K8S_8",
      "Checkov CKV_K8S_9",
      "Checkov CKV_K8S_10",
      "Checkov CKV_K8S_12",
      "Checkov CKV_K8S_13",
      "Kyverno require-requests-limits",
      "Kyverno require-pod-probes",
    ],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      const pod = podOf(resource);
      for (const container of containersOf(pod)) {
        const name = container.at("name").text ?? "";
        for (const [kind, what] of [
          ["requests", "cpu"],
          ["requests", "memory"],
          ["limits", "memory"],
        ] as const) {
          const value = container.at("resources", kind, what);
          if (!value.isPresent)
            yield violation(
              value,
              `missing on container ${name}`,
              `say how much ${what} it ${kind === "requests" ? "needs" : "may take"}`,
            );
        }
      }
      for (const container of mainContainersOf(pod)) {
        if (container.at("ports").items.length === 0) continue;
        for (const probe of ["readinessProbe", "livenessProbe"]) {
          if (!container.at(probe).isPresent)
            yield violation(
              container.at(probe),
              `missing on container ${container.at("name").text ?? ""}, which serves`,
              "probe a path that tells",
            );
        }
        if (runsTriton(container) && !container.at("startupProbe").isPresent)
          yield violation(
            container.at("startupProbe"),
            "missing: Triton is killed while it loads its models",
            "probe /v2/health/ready for as long as loading takes",
          );
      }
    },
  },
  {
    id: "secrets-as-files",
    title: "Secrets come as files and not as environment variables",
    why: "An environment is seen by every child process, is in crash reports, and needs a restart for a new key",
    severity: "low",
    levels: reminder,
    references: ["Checkov CKV_K8S_35", "CIS EKS 4.4.1", "Kyverno secrets-not-from-env-vars"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      for (const container of containersOf(podOf(resource))) {
        for (const variable of container.at("env").items) {
          const from = variable.at("valueFrom", "secretKeyRef");
          if (from.isPresent)
            yield violation(
              from,
              `${variable.at("name").text ?? ""} holds a Secret's value`,
              "mount the Secret as a folder",
            );
        }
        for (const source of container.at("envFrom").items) {
          const from = source.at("secretRef");
          if (from.isPresent)
            yield violation(from, "all of a Secret is in the environment", "mount the Secret as a folder");
        }
      }
    },
  },
  {
    id: "namespace-pod-standard",
    title: "Namespaces of the platform enforce a pod security standard",
    why: "The API server then refuses what these rules did not see",
    severity: "medium",
    levels: strictInProd,
    references: ["CIS EKS 4.2.1", "Kyverno add-psa-labels"],
    types: ["kubernetes:core/v1:Namespace"],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("metadata", "labels", "pod-security.kubernetes.io/enforce");
      if (!value.isPresent)
        yield violation(value, "missing", "set it to restricted, or to what the add-ons in it need");
    },
  },
];

/** A resource of NVIDIA's device plugin: whole GPUs or slices. */
export function asksForGpu(container: Value): boolean {
  const resources = container.at("resources");
  return [...resources.at("limits").entries, ...resources.at("requests").entries].some(
    ([key]) => key === "nvidia.com/gpu" || key.startsWith("nvidia.com/mig-"),
  );
}

function toleratesGpus(toleration: Value): boolean {
  const key = toleration.at("key");
  return key.text === "nvidia.com/gpu" || (!key.isPresent && toleration.at("operator").text === "Exists");
}

/** Labels by which a pod chooses its nodes, those alone that are a must. */
function nodeKeys(spec: Value): readonly string[] {
  const terms = spec.at(
    ...["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"],
  ).items;
  return [
    ...spec.at("nodeSelector").entries.map(([key]) => key),
    ...terms.flatMap((term) =>
      term.at("matchExpressions").items.flatMap((expression) => expression.at("key").text ?? []),
    ),
  ];
}

function isExempt({ name, props }: PolicyResource, { limit }: RuleContext): boolean {
  const own = props.at("metadata", "name").text ?? name;
  return limit(exempt).some((pattern) =>
    new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*")}$`).test(own),
  );
}

function* containerViolations(container: Value, ofPod: Value): Iterable<Violation> {
  const own = container.at("securityContext");
  const name = container.at("name").text ?? "";
  /** What the container says, else the pod. */
  const either = (...keys: readonly string[]): Value => {
    const value = own.at(...keys);
    return value.isPresent ? value : ofPod.at(...keys);
  };
  if (either("runAsNonRoot").boolean !== true)
    yield violation(own.at("runAsNonRoot"), `container ${name} may run as root`, "set it to true");
  if (either("runAsUser").isPresent && either("runAsUser").number === 0)
    yield violation(either("runAsUser"), `container ${name} runs as root`, "use another user");
  if (!["RuntimeDefault", "Localhost"].includes(either("seccompProfile", "type").text ?? ""))
    yield violation(
      own.at("seccompProfile", "type"),
      `container ${name} may use every system call`,
      "set it to RuntimeDefault",
    );
  if (own.at("allowPrivilegeEscalation").boolean !== false)
    yield violation(
      own.at("allowPrivilegeEscalation"),
      `container ${name} may get more rights than it began with`,
      "set it to false",
    );
  if (!own.at("capabilities", "drop").texts.includes("ALL"))
    yield violation(
      own.at("capabilities", "drop"),
      `container ${name} keeps capabilities of root`,
      "set it to [ALL]",
    );
  const added = own.at("capabilities", "add").texts.filter((capability) => capability !== "NET_BIND_SERVICE");
  if (added.length > 0)
    yield violation(own.at("capabilities", "add"), `container ${name} has ${added.join(", ")}`, "remove it");
  if (own.at("readOnlyRootFilesystem").boolean !== true)
    yield violation(
      own.at("readOnlyRootFilesystem"),
      `container ${name} may write to its own image`,
      "set it to true",
    );
}
