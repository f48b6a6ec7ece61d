import type { RuleCases } from "../../../support/policy.ts";
import { nothing, object } from "../../../support/policy.ts";
import { budget, denyAll, first, podSpec, server } from "../../../support/policy-pods.ts";
import { resourceOfObject } from "../../../../core/policy/resources.ts";
import { Value } from "../../../../core/policy/value.ts";

const env = [...first, "env", 0] as const;

const configMap = object("v1", "ConfigMap", "settings", { data: { "settings.yaml": "level: info" } });

const publicService = object("v1", "Service", "triton-balancer", {
  spec: { type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/24"] },
});

const upstreamPolicy = object("networking.k8s.io/v1", "NetworkPolicy", "triton-upstream", {
  spec: {
    podSelector: { matchLabels: { "triton-platform/upstream": "holysheep" } },
    policyTypes: ["Egress"],
    egress: [
      { to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } }], ports: [{ port: 443 }] },
    ],
  },
});

const balancer = object("apps/v1", "Deployment", "triton-balancer", {
  spec: {
    template: {
      spec: {
        containers: [{ name: "haproxy", command: ["haproxy", "-f", "haproxy.cfg"] }],
        volumes: [
          { name: "tls", secret: { secretName: "triton-tls" } },
          { name: "api-keys", secret: { secretName: "triton-balancer-api-keys" } },
        ],
      },
    },
  },
});

const proxy = object("apps/v1", "Deployment", "triton-llm", {
  spec: {
    template: {
      metadata: { labels: { "triton-platform/upstream": "holysheep" } },
      spec: {
        containers: [{ name: "triton", resources: {} }],
        volumes: [{ name: "holysheep", secret: { secretName: "holysheep" } }],
      },
    },
  },
});

const config = (queue: string): string =>
  `name: "m"\nmax_batch_size: 8\ndynamic_batching {\n  preferred_batch_size: 8\n${queue}}\nbackend: "python"\n`;
const parameter = (key: string, value: string): string =>
  `parameters {\n  key: "${key}"\n  value {\n    string_value: "${value}"\n  }\n}\n`;
const ownBound = (rows: string): string => parameter("max_pending", rows);
const bounded = "  default_queue_policy {\n    max_queue_size: 512\n  }\n";

const repository = {
  type: "modelstore:index:ModelRepository",
  name: "gpu-repository",
  props: new Value({
    server: "gpu",
    files: [
      { path: "m/config.pbtxt", from: { content: config(bounded) } },
      { path: "m/1/model.py", from: { file: "models/m/1/model.py" } },
    ],
  }),
};

const haproxyConfig = [
  "frontend http",
  "    http-request return status 403 if { path_reg ^/v2/repository/models }",
  "frontend grpc",
  "    http-request return status 200 if { path_reg /RepositoryModelLoad$ }",
].join("\n");

const scaledObject = object("keda.sh/v1alpha1", "ScaledObject", "triton-gpu", {
  spec: { scaleTargetRef: { name: "triton-gpu" }, minReplicaCount: 2, maxReplicaCount: 8 },
});
const autoscaler = object("autoscaling/v2", "HorizontalPodAutoscaler", "triton-gpu", {
  spec: { scaleTargetRef: { name: "triton-gpu" }, minReplicas: 2, maxReplicas: 8 },
});

/** Cases of every rule about objects of Kubernetes. */
export const kubernetesCases: readonly RuleCases[] = [
  {
    rule: "pod-gpu-placement",
    good: [server],
    alsoGood: [
      [[...podSpec, "tolerations"], [{ operator: "Exists" }]],
      // A pod without a GPU goes where it likes.
      [[...podSpec], { containers: [{ name: "small" }] }],
    ],
    bad: [
      [[[...podSpec, "tolerations"], undefined], /spec\.template\.spec\.tolerations: no toleration/],
      [[[...podSpec, "affinity"], undefined], /affinity: any node with a GPU will do/],
      [
        [
          [...podSpec, "affinity", "nodeAffinity"],
          { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: {} }] },
        ],
        /any node/,
      ],
    ],
    unknown: [
      [[...podSpec, "tolerations"], "undecided"],
      [[...podSpec, "containers", 0, "resources", "limits", "nvidia.com/gpu"], "enough"],
    ],
  },
  {
    rule: "image-digest",
    good: [server],
    bad: [
      [
        [[...first, "image"], "nvcr.io/nvidia/tritonserver:26.07-py3"],
        /containers\[0\]\.image: .*26\.07-py3 has no digest/,
      ],
      [
        [[...podSpec, "initContainers"], [{ name: "loader", image: "rclone:1.71" }]],
        /initContainers\[0\]\.image/,
      ],
    ],
    unknown: [[[...first, "image"], "undecided"]],
  },
  {
    rule: "image-tag",
    good: [server],
    alsoGood: [
      [[...first, "image"], "registry:5000/folder/image:1.2"],
      [[...first, "image"], `image@sha256:${"a".repeat(64)}`],
    ],
    bad: [
      [[[...first, "image"], "nvcr.io/nvidia/tritonserver:latest"], /has the tag latest/],
      [[[...first, "image"], "registry:5000/image"], /has no tag/],
      [[[...first, "image"], undefined], /no image has no tag/],
    ],
    unknown: [[[...first, "image"], "undecided"]],
  },
  {
    rule: "image-registry",
    good: [server],
    alsoGood: [[[...first, "image"], "anywhere.example.com/image:1"]],
    bad: [],
    unknown: [[[...first, "image"], "enough"]],
    config: [
      [{ allowedRegistries: ["nvcr.io/nvidia/"] }, nothing, undefined],
      [{ allowedRegistries: ["registry.example.com/"] }, nothing, /nvcr\.io.* is from elsewhere/],
    ],
  },
  {
    rule: "pod-restricted",
    good: [server],
    alsoGood: [[[...first, "securityContext", "capabilities", "add"], ["NET_BIND_SERVICE"]]],
    bad: [
      [[[...podSpec, "securityContext"], undefined], /runAsNonRoot: container triton may run as root/],
      [[[...podSpec, "securityContext", "runAsUser"], 0], /runs as root/],
      [[[...first, "securityContext", "runAsNonRoot"], false], /may run as root/],
      [[[...podSpec, "securityContext", "seccompProfile"], { type: "Unconfined" }], /every system call/],
      [[[...first, "securityContext", "allowPrivilegeEscalation"], undefined], /more rights/],
      [[[...first, "securityContext", "capabilities"], undefined], /keeps capabilities/],
      [[[...first, "securityContext", "capabilities", "add"], ["SYS_ADMIN"]], /has SYS_ADMIN/],
      [[[...first, "securityContext", "readOnlyRootFilesystem"], undefined], /write to its own image/],
    ],
    unknown: [
      [[...podSpec, "securityContext", "runAsNonRoot"], "undecided"],
      [[...first, "image"], "enough"],
    ],
    config: [
      [{ exemptNames: [] }, [[...podSpec, "securityContext"], undefined], /may run as root/],
      [{ exemptNames: ["triton-*"] }, [[...podSpec, "securityContext"], undefined], undefined],
      [{ exemptNames: ["triton"] }, [[...podSpec, "securityContext"], undefined], /may run as root/],
    ],
  },
  {
    rule: "pod-no-host-access",
    good: [server],
    bad: [
      [[[...podSpec, "hostNetwork"], true], /spec\.hostNetwork: true/],
      [[[...podSpec, "hostPID"], true], /hostPID/],
      [
        [[...podSpec, "volumes", 1], { name: "host", hostPath: { path: "/var/lib" } }],
        /mounts the node's \/var\/lib/,
      ],
      [[[...first, "securityContext", "privileged"], true], /privileged/],
    ],
    unknown: [
      [[...podSpec, "volumes"], "undecided"],
      [[...podSpec, "hostIPC"], "undecided"],
    ],
    config: [
      [{}, [["metadata", "name"], "nvidia-dcgm-exporter"], undefined],
      [{ exemptNames: ["triton-gpu"] }, [[...podSpec, "hostNetwork"], true], undefined],
      [{ exemptNames: ["other"] }, [[...podSpec, "hostNetwork"], true], /hostNetwork/],
    ],
  },
  {
    rule: "pod-no-api-token",
    good: [server],
    bad: [[[[...podSpec, "automountServiceAccountToken"], undefined], /a token is mounted/]],
    unknown: [[[...podSpec, "automountServiceAccountToken"], "undecided"]],
  },
  {
    rule: "pod-resources",
    good: [server],
    alsoGood: [
      // What serves nothing has nothing to probe.
      [
        [...first],
        { name: "pause", resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { memory: "1Gi" } } },
      ],
      [[...first, "resources", "requests", "cpu"], 2],
    ],
    bad: [
      [
        [[...first, "resources", "limits"], undefined],
        /resources\.limits\.memory: missing on container triton/,
      ],
      [[[...first, "resources", "requests", "cpu"], undefined], /requests\.cpu: missing/],
      [[[...first, "livenessProbe"], undefined], /livenessProbe: missing on container triton, which serves/],
      [[[...first, "startupProbe"], undefined], /killed while it loads/],
    ],
    unknown: [
      [[...first, "resources", "limits", "memory"], "enough"],
      [[...podSpec, "containers"], "undecided"],
    ],
  },
  {
    rule: "secrets-as-files",
    good: [server],
    bad: [
      [
        [env, { name: "KEY", valueFrom: { secretKeyRef: { name: "holysheep", key: "api-key" } } }],
        /KEY holds a Secret's value/,
      ],
      [[[...first, "envFrom"], [{ secretRef: { name: "all" } }]], /all of a Secret/],
    ],
    unknown: [[[...first, "env"], "undecided"]],
  },
  {
    rule: "namespace-pod-standard",
    good: [
      resourceOfObject({
        apiVersion: "v1",
        kind: "Namespace",
        ...{ metadata: { name: "triton", labels: { "pod-security.kubernetes.io/enforce": "restricted" } } },
      }),
    ],
    bad: [[[["metadata", "labels"], undefined], /pod-security\.kubernetes\.io\/enforce: missing/]],
    unknown: [[["metadata", "labels", "pod-security.kubernetes.io/enforce"], "enough"]],
  },
  {
    rule: "no-plaintext-credentials",
    good: [server],
    alsoGood: [
      [env, { name: "HOLYSHEEP_API_KEY_FILE", value: "/var/run/secrets/holysheep/api-key" }],
      [env, { name: "MAX_TOKENS", value: "2048" }],
      [env, { name: "API_KEY", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }],
      [env, { name: "API_KEY", value: "$(OTHER)" }],
      [env, { name: "TOKEN_URL", value: "https://login.example.com/oauth" }],
      [
        [...first, "args"],
        ["--http-header-forward-pattern=(?i)(x-api-key)", "--token-ttl=30s"],
      ],
    ],
    bad: [
      [
        [env, { name: "HOLYSHEEP_API_KEY", value: "abc123def" }],
        /env\[0\]\.value: the variable HOLYSHEEP_API_KEY has a credential/,
      ],
      [[env, { name: "dbPassword", value: "correct horse" }], /dbPassword/],
      [[env, { name: "X", value: ["AKIA", "IOSFODNN7EXAMPLE"].join("") }], /an AWS access key/],
      [[env, { name: "DB", value: "postgres://user:hunter2@db/x" }], /a URL with a password/],
      [[[...first, "args"], ["--api-key=abcdef"]], /the flag --api-key has a credential/],
      [
        [
          [...first, "args"],
          ["serve", `sk-${"a".repeat(20)}`],
        ],
        /an argument has an API key/,
      ],
    ],
    unknown: [
      [[...env, "value"], "undecided"],
      [[...first, "args"], "undecided"],
    ],
  },
  {
    rule: "no-plaintext-credentials",
    good: [configMap],
    alsoGood: [[["data", "api-keys.map"], ""]],
    bad: [
      [
        [["data", "credentials"], "[default]\naws_secret_access_key = " + "a".repeat(40)],
        /data\.credentials: the entry credentials has an AWS secret key/,
      ],
      [[["data", "key.pem"], "-----BEGIN RSA PRIVATE KEY-----\n…"], /a private key/],
      [[["data", "password"], "hunter2"], /by its name/],
    ],
    unknown: [[["data", "settings.yaml"], "undecided"]],
  },
  {
    rule: "no-plaintext-credentials",
    good: [repository],
    alsoGood: [[["files", 0, "from", "content"], parameter("price_token_limit", "0.42")]],
    bad: [
      [
        [["files", 0, "from", "content"], parameter("api_key", "hunter2")],
        /files\[0\]: the parameter api_key in m\/config\.pbtxt has a credential in it/,
      ],
      [
        [["files", 0, "from", "content"], parameter("x", `sk-${"a".repeat(20)}`)],
        /an API key of the form sk-…/,
      ],
    ],
    unknown: [[["files", 0, "from", "content"], "undecided"]],
  },
  {
    rule: "llm-key-on-proxies-only",
    good: [proxy],
    bad: [
      [[["spec", "template", "metadata", "labels"], {}], /no label says that the pod calls HolySheep/],
      [[[...first, "resources"], { limits: { "nvidia.com/gpu": "1" } }], /on a pod with a GPU/],
    ],
    unknown: [[["spec", "template", "metadata", "labels"], "undecided"]],
  },
  {
    rule: "triton-no-poll",
    good: [server],
    alsoGood: [[[...first, "args"], []]],
    bad: [
      [[[...first, "args"], ["--model-control-mode=poll"]], /args\[0\]: --model-control-mode=poll/],
      [
        [
          [...first, "args"],
          ["--model-control-mode", "poll"],
        ],
        /poll/,
      ],
      [
        [
          [...first, "command"],
          ["sh", "-c", "exec tritonserver --model-control-mode=poll --http-port=1"],
        ],
        /poll/,
      ],
    ],
    unknown: [[[...first, "args"], "undecided"]],
  },
  {
    rule: "triton-repository-api",
    good: [server],
    alsoGood: [
      [
        [...first, "args"],
        [
          "--model-control-mode=explicit",
          "--http-restricted-api=model-repository:key=secret-file",
          "--grpc-restricted-protocol=model-repository:key=secret-file",
        ],
      ],
    ],
    bad: [
      [[[...first, "args"], ["--model-control-mode=explicit"]], /not restricted over HTTP and gRPC/],
      [
        [
          [...first, "args"],
          ["--model-control-mode=explicit", "--http-restricted-api=model-repository:k=v"],
        ],
        /not restricted/,
      ],
    ],
    unknown: [[[...first, "args"], "undecided"]],
  },
  {
    rule: "triton-repository-api",
    good: [object("v1", "ConfigMap", "triton-balancer-abc", { data: { "haproxy.cfg": haproxyConfig } })],
    alsoGood: [[["data"], { other: "text" }]],
    bad: [
      [[["data", "haproxy.cfg"], "frontend http"], /calls of repository\/models pass the balancer/],
      [
        [["data", "haproxy.cfg"], haproxyConfig.replace("RepositoryModelLoad", "Other")],
        /RepositoryModelLoad/,
      ],
    ],
    unknown: [[["data", "haproxy.cfg"], "undecided"]],
  },
  {
    rule: "triton-bounded-queue",
    good: [repository],
    alsoGood: [
      [["files", 0, "from", "content"], 'name: "m"\nmax_batch_size: 8\n'],
      [["files", 0, "from", "content"], `${config("")}${ownBound("512")}`],
    ],
    bad: [
      [[["files", 0, "from", "content"], config("")], /files\[0\]: the queue of m is unbounded/],
      [[["files", 0, "from", "content"], `${config("")}${ownBound("0")}`], /unbounded/],
      [
        [["files", 0, "from", "content"], config("  default_queue_policy {\n    max_queue_size: 0\n  }\n")],
        /unbounded/,
      ],
    ],
    config: [
      [{ selfBounded: ["m"] }, [["files", 0, "from", "content"], config("")], undefined],
      [{ selfBounded: ["n"] }, [["files", 0, "from", "content"], config("")], /unbounded/],
    ],
    unknown: [
      [["files", 0, "from", "content"], "undecided"],
      [["hash"], "enough"],
    ],
  },
  {
    rule: "triton-models-fit",
    good: [server],
    bad: [
      [[["metadata", "annotations"], {}], /nothing says what its models take/],
      [
        [
          ["metadata", "annotations", "triton-platform/gpu-memory"],
          '{"accelerator":"a100-80gb","used":[1073741824,107374182400]}',
        ],
        /take 100 GiB of GPU 1, and a100-80gb has 79\.1 GiB/,
      ],
      [
        [["metadata", "annotations", "triton-platform/gpu-memory"], '{"accelerator":"b300","used":[]}'],
        /b300 is no GPU/,
      ],
      [
        [
          [
            ...podSpec,
            ...[
              "affinity",
              "nodeAffinity",
              "requiredDuringSchedulingIgnoredDuringExecution",
              "nodeSelectorTerms",
            ],
            ...[0, "matchExpressions", 0, "values", 0],
          ],
          "NVIDIA-A100-SXM4-40GB",
        ],
        /nodes with NVIDIA-A100-SXM4-40GB will do, and the models are sized for a100-80gb/,
      ],
    ],
    unknown: [
      [["metadata", "annotations"], "undecided"],
      [[...podSpec, "volumes"], "enough"],
    ],
  },
  {
    rule: "triton-shared-memory",
    good: [server],
    bad: [
      [[[...first, "volumeMounts"], undefined], /nothing in memory/],
      [[[...podSpec, "volumes", 0, "emptyDir"], {}], /nothing in memory/],
      [[[...podSpec, "volumes", 0, "emptyDir"], { medium: "Memory" }], /sizeLimit: missing/],
    ],
    unknown: [
      [[...podSpec, "volumes"], "undecided"],
      [[...podSpec, "volumes", 0, "emptyDir", "sizeLimit"], "enough"],
    ],
  },
  {
    rule: "balancer-not-public",
    good: [publicService],
    alsoGood: [
      [["spec"], { type: "ClusterIP" }],
      [
        [],
        {
          metadata: { annotations: { "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal" } },
          spec: { type: "LoadBalancer" },
        },
      ],
    ],
    bad: [
      [
        [["spec", "loadBalancerSourceRanges"], undefined],
        /missing, and nothing says that the load balancer is inside/,
      ],
      [
        [
          ["spec", "loadBalancerSourceRanges"],
          ["10.0.0.0/8", "0.0.0.0/0"],
        ],
        /\[1\]: 0\.0\.0\.0\/0 is everybody/,
      ],
    ],
    unknown: [
      [["spec", "loadBalancerSourceRanges"], "undecided"],
      [["spec", "selector"], "enough"],
    ],
    config: [
      [
        { internalClasses: ["metallb"] },
        [["spec"], { type: "LoadBalancer", loadBalancerClass: "metallb" }],
        undefined,
      ],
      [
        { internalClasses: ["metallb"] },
        [["spec"], { type: "LoadBalancer", loadBalancerClass: "other" }],
        /missing/,
      ],
    ],
  },
  {
    rule: "network-default-deny",
    good: [server, denyAll],
    bad: [[[["metadata", "namespace"], "elsewhere"], /no NetworkPolicy restricts its ingress/]],
    unknown: [
      [["metadata", "namespace"], "undecided"],
      [[...first, "image"], "enough"],
    ],
  },
  {
    rule: "network-egress-named",
    good: [upstreamPolicy],
    bad: [
      [[["spec", "podSelector"], {}], /every pod of the namespace may call 0\.0\.0\.0\/0/],
      [[["spec", "egress", 0, "to"], undefined], /egress\[0\]: everything may be reached/],
      [[["spec", "egress", 0, "to", 0, "ipBlock", "except"], undefined], /has the metadata service in it/],
    ],
    unknown: [[["spec", "egress", 0, "to", 0, "ipBlock", "cidr"], "undecided"]],
  },
  {
    rule: "balancer-authenticates",
    good: [balancer],
    bad: [
      [[[...podSpec, "volumes", 0], undefined], /in plain text/],
      [[[...podSpec, "volumes", 1, "name"], "other"], /everybody who reaches it may call/],
    ],
    unknown: [[[...podSpec, "volumes"], "undecided"]],
  },
  {
    rule: "prod-replicas",
    good: [server],
    bad: [[[["spec", "replicas"], 1], /spec\.replicas: 1 of at least 2 replicas/]],
    unknown: [[["spec", "replicas"], "undecided"]],
    config: [
      [{ minReplicas: 3 }, nothing, /2 of at least 3/],
      [{ minReplicas: 1 }, [["spec", "replicas"], undefined], undefined],
    ],
  },
  {
    rule: "prod-replicas",
    good: [scaledObject, server],
    bad: [
      [[["spec", "minReplicaCount"], 1], /minReplicaCount: 1 of at least 2/],
      [[["spec", "minReplicaCount"], undefined], /0 of at least 2/],
    ],
    unknown: [[["spec", "minReplicaCount"], "undecided"]],
  },
  {
    rule: "prod-replicas",
    good: [autoscaler, server],
    bad: [[[["spec", "minReplicas"], undefined], /minReplicas: 1 of at least 2/]],
    unknown: [[["spec", "minReplicas"], "undecided"]],
  },
  {
    rule: "prod-disruption-budget",
    good: [server, budget],
    bad: [
      [
        [["spec", "template", "metadata", "labels", "app.kubernetes.io/instance"], "other"],
        /no PodDisruptionBudget/,
      ],
    ],
    unknown: [
      [["spec", "template", "metadata", "labels"], "undecided"],
      [[...first, "image"], "enough"],
    ],
  },
  {
    rule: "prod-spread",
    good: [server],
    bad: [
      [
        [[...podSpec, "topologySpreadConstraints"], undefined],
        /nothing spreads it over topology\.kubernetes\.io\/zone/,
      ],
      [[[...podSpec, "topologySpreadConstraints", 1], undefined], /kubernetes\.io\/hostname/],
    ],
    unknown: [[[...podSpec, "topologySpreadConstraints"], "undecided"]],
  },
];
