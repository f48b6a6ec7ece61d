import { isDeepStrictEqual } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { look, transact, type Account, type Stored } from "./account.ts";
import type { ApiServer } from "./api-server.ts";
import { addInterfaces, removeInterfaces, subnet } from "./ec2.ts";
import { autoscalingGroup, cluster, nodeGroup, placeNodes, zonesOf } from "./eks.ts";
import { allows, policiesOf, trusts } from "./iam.ts";
import { secret, secretVersion } from "./secrets.ts";
import {
  at,
  numberAt,
  records,
  requiredText,
  text,
  textMap,
  texts,
  withValue,
  type Properties,
} from "./values.ts";

/** What a controller makes in the account for a Service. */
export const loadBalancer = "elasticloadbalancing:LoadBalancer";

/** What nodes of a type bring; the others are small. Source: core/capacity, the catalogue. */
const machines: Readonly<
  Record<string, { readonly cpu: string; readonly memory: string; readonly gpu?: readonly [string, number] }>
> = {
  "p4d.24xlarge": { cpu: "96", memory: "1100Gi", gpu: ["NVIDIA-A100-SXM4-40GB", 40_960] },
  "p4de.24xlarge": { cpu: "96", memory: "1100Gi", gpu: ["NVIDIA-A100-SXM4-80GB", 81_920] },
};
const usualMachine = { cpu: "8", memory: "30Gi", gpu: undefined };

/**
 * What happens in an EKS cluster beside the API server's own controllers, on a control plane of the tests: node groups have
 * nodes, the autoscaler makes more of them, and controllers act for Services, ScaledObjects and ExternalSecrets, each only
 * while its pods run and its role lets it. A finalizer whose controller is gone stays for ever, as in truth.
 */
export class ClusterLife {
  #ended = false;
  readonly #loop: Promise<void>;
  /** What a look could not do, to be shown where a test waits in vain. */
  readonly troubles = new Set<string>();

  constructor(
    private readonly file: string,
    private readonly api: ApiServer,
  ) {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#ended = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      for (const work of [
        this.#nodes,
        this.#autoscaler,
        this.#loadBalancers,
        this.#keda,
        this.#externalSecrets,
        this.#time,
      ])
        try {
          await work.call(this);
        } catch (error) {
          this.troubles.add(error instanceof Error ? error.message : String(error));
        }
      await sleep(200);
    }
  }

  /** A node for each that a group wants, and none of a group that is gone. */
  async #nodes(): Promise<void> {
    const wanted = new Map(
      look(this.file)
        .all(nodeGroup)
        .flatMap((group) => nodesOf(look(this.file), group)),
    );
    const there = await this.api.list("/api/v1/nodes?labelSelector=eks.amazonaws.com%2Fnodegroup");
    const names = there.map(nameOf);
    for (const name of names.filter((one) => !wanted.has(one))) await this.#removeNode(name);
    for (const [name, node] of wanted)
      if (!names.includes(name)) await this.api.create("/api/v1/nodes", node);
  }

  /** As a node group does it: its pods are evicted before. */
  async #removeNode(name: string): Promise<void> {
    const pods = await this.api.list(`/api/v1/pods?fieldSelector=spec.nodeName%3D${name}`);
    await this.api.merge(`/api/v1/nodes/${name}`, { spec: { unschedulable: true } });
    for (const pod of pods) await this.api.delete(`${placeOf(pod, "pods")}?gracePeriodSeconds=0`);
    await this.api.delete(`/api/v1/nodes/${name}`);
  }

  /** A node more of a group whose tags promise what a pod waits for. Source: autoscaler's FAQ, and its AWS README's tags. */
  async #autoscaler(): Promise<void> {
    if (!(await this.#works("kube-system", "cluster-autoscaler"))) return;
    const pods = await this.api.list("/api/v1/pods?fieldSelector=status.phase%3DPending");
    const waiting = pods.filter((pod) =>
      records(pod, "status.conditions").some(() => text(pod, "spec.nodeName") === undefined),
    );
    if (waiting.length === 0) return;
    const gpus = waiting.some((pod) => gpusOf(pod) > 0);
    transact(this.file, (account) => {
      const group = account.all(nodeGroup).find((one) => {
        const size = (key: string): number => numberAt(one.properties, `scalingConfig.${key}`) ?? 0;
        return size("desiredSize") < size("maxSize") && promisesGpus(account, one) === gpus;
      });
      if (group === undefined) return;
      const path = "scalingConfig.desiredSize";
      const properties = withValue(group.properties, path, (numberAt(group.properties, path) ?? 0) + 1);
      account.put({ ...group, properties });
      placeNodes(account, group.id, properties);
    });
    // Until the scheduler has seen it.
    await this.#nodes();
    await sleep(1_500);
  }

  async #loadBalancers(): Promise<void> {
    const services = (await this.api.list("/api/v1/services")).filter(
      (service) => at(service, "spec.loadBalancerClass") === "service.k8s.aws/nlb",
    );
    if (services.length === 0 || !(await this.#works("kube-system", "aws-load-balancer-controller"))) return;
    for (const service of services) {
      const name = `${text(service, "metadata.namespace") ?? ""}/${nameOf(service)}`;
      if (at(service, "metadata.deletionTimestamp") !== undefined) {
        if (!finalizersOf(service).includes(finalizers.service)) continue;
        this.#journaled("delete", name, (account) => {
          removeInterfaces(account, name);
          account.remove(loadBalancer, name);
        });
        await this.#setFinalizers(service, "services", finalizers.service, false);
      } else if (!finalizersOf(service).includes(finalizers.service)) {
        await this.#setFinalizers(service, "services", finalizers.service, true);
        this.#journaled("create", name, (account) => {
          const scheme = textMap(at(service, "metadata.annotations"))[`${annotation}-scheme`] ?? "internal";
          addInterfaces(account, name, subnetsFor(account, scheme));
          account.put({ type: loadBalancer, id: name, name, properties: { scheme, dnsName: hostOf(name) } });
        });
        const ingress = [{ hostname: hostOf(name) }];
        await this.api.merge(`${placeOf(service, "services")}/status`, {
          status: { loadBalancer: { ingress } },
        });
      }
    }
  }

  async #keda(): Promise<void> {
    const found = await this.api.list("/apis/keda.sh/v1alpha1/scaledobjects");
    if (found.length > 0 && (await this.#works("keda", "keda-operator")))
      await this.#finalize(found, "scaledobjects", finalizers.scaledObject);
  }

  /** Brings values from Secrets Manager, by the role of the store's ServiceAccount and with its rights alone. */
  async #externalSecrets(): Promise<void> {
    const found = await this.api.list("/apis/external-secrets.io/v1/externalsecrets");
    if (found.length === 0 || !(await this.#works("external-secrets", "external-secrets"))) return;
    await this.#finalize(found, "externalsecrets", finalizers.externalSecret);
    for (const external of found)
      if (at(external, "metadata.deletionTimestamp") === undefined) await this.#bring(external);
  }

  async #bring(external: Properties): Promise<void> {
    const namespace = requiredText(external, "metadata.namespace");
    const store = await this.api.get(
      `/apis/external-secrets.io/v1/namespaces/${namespace}/secretstores/${requiredText(external, "spec.secretStoreRef.name")}`,
    );
    const account = requiredText(store ?? {}, "spec.provider.aws.auth.jwt.serviceAccountRef.name");
    const role = await this.#roleOf(namespace, account);
    const data = Object.fromEntries(
      records(external, "spec.data").map((item): [string, string] => [
        requiredText(item, "secretKey"),
        Buffer.from(secretValue(look(this.file), requiredText(item, "remoteRef.key"), role)).toString(
          "base64",
        ),
      ]),
    );
    const name = requiredText(external, "spec.target.name");
    const secrets = `/api/v1/namespaces/${namespace}/secrets`;
    const there = await this.api.get(`${secrets}/${name}`);
    if (there === undefined) {
      const { apiVersion, kind } = external;
      const owner = { apiVersion, kind, name: nameOf(external), uid: text(external, "metadata.uid") };
      const metadata = { name, ownerReferences: [owner] };
      await this.api.create(secrets, { apiVersion: "v1", kind: "Secret", metadata, data });
    } else if (!isDeepStrictEqual(textMap(there.data), data))
      await this.api.merge(`${secrets}/${name}`, { data });
  }

  /** Name of the role that a ServiceAccount's pods take. */
  async #roleOf(namespace: string, account: string): Promise<string> {
    const found = await this.api.get(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}`);
    const arn = textMap(at(found ?? {}, "metadata.annotations"))["eks.amazonaws.com/role-arn"] ?? "";
    if (!trusts(look(this.file), arn, { subject: `${namespace}:${account}` }))
      throw new Error(`the role "${arn}" does not trust the ServiceAccount ${namespace}/${account}`);
    return arn.split("/").pop() ?? "";
  }

  /** Nobody waits two minutes for pods to have been ready that long, as a Deployment with minReadySeconds does. */
  async #time(): Promise<void> {
    const long = new Date(Date.now() - 3_600_000).toISOString().replace(/\.\d+Z$/, "Z");
    for (const pod of await this.api.list(
      "/api/v1/pods?labelSelector=app.kubernetes.io%2Fname%3Dtriton-balancer",
    )) {
      const conditions = records(pod, "status.conditions");
      const ready = conditions.find(({ type, status }) => type === "Ready" && status === "True");
      if (Date.parse(text(ready ?? {}, "lastTransitionTime") ?? long) < Date.now() - 1_800_000) continue;
      const aged = conditions.map((one) => (one === ready ? { ...one, lastTransitionTime: long } : one));
      await this.api.merge(`${placeOf(pod, "pods")}/status`, { status: { conditions: aged } });
    }
  }

  async #finalize(objects: readonly Properties[], plural: string, finalizer: string): Promise<void> {
    for (const object of objects) {
      const isGoing = at(object, "metadata.deletionTimestamp") !== undefined;
      if (finalizersOf(object).includes(finalizer) === isGoing) {
        if (isGoing)
          this.#journaled(
            "delete",
            `${text(object, "metadata.namespace") ?? ""}/${nameOf(object)}`,
            () => undefined,
            plural,
          );
        await this.#setFinalizers(object, plural, finalizer, !isGoing);
      }
    }
  }

  /** Whether a controller's pods run; and where they have a ServiceAccount, whether its role trusts it and may do something. */
  async #works(namespace: string, name: string): Promise<boolean> {
    const deployment = await this.api.get(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`);
    if ((numberAt(deployment ?? {}, "status.readyReplicas") ?? 0) < 1) return false;
    const account = text(deployment ?? {}, "spec.template.spec.serviceAccountName");
    return (
      account === undefined || policiesOf(look(this.file), await this.#roleOf(namespace, account)).length > 0
    );
  }

  async #setFinalizers(
    object: Properties,
    plural: string,
    finalizer: string,
    present: boolean,
  ): Promise<void> {
    const others = finalizersOf(object).filter((one) => one !== finalizer);
    const all = present ? [...others, finalizer] : others;
    await this.api.merge(placeOf(object, plural), { metadata: { finalizers: all } });
  }

  #journaled(
    verb: "create" | "delete",
    name: string,
    change: (account: Account) => void,
    type = loadBalancer,
  ): void {
    transact(this.file, (account) => {
      const began = account.begin({ verb, type, name, id: name });
      change(account);
      account.end(began);
    });
  }
}

/** What a role reads of a secret. */
function secretValue(account: Account, name: string, reader: string): string {
  const found = account.all(secret).find(({ properties }) => properties.name === name);
  const version = account.all(secretVersion).findLast(({ properties }) => properties.secretId === found?.id);
  if (found === undefined || version === undefined)
    throw new Error(`there is no value of the secret ${name}`);
  const key = text(found.properties, "kmsKeyId") ?? "";
  if (
    !allows(account, reader, "secretsmanager:GetSecretValue", found.id) ||
    !allows(account, reader, "kms:Decrypt", key)
  )
    throw new Error(`the role ${reader} may not read the secret ${name}`);
  return requiredText(version.properties, "secretString");
}

const annotation = "service.beta.kubernetes.io/aws-load-balancer";

const finalizers = {
  /** Source: aws-load-balancer-controller, controllers/service/service_controller.go. */
  service: "service.k8s.aws/resources",
  /** Source: keda, controllers/keda/scaledobject_finalizer.go. */
  scaledObject: "finalizer.keda.sh",
  externalSecret: "externalsecrets.external-secrets.io/externalsecret-cleanup",
} as const;

function hostOf(name: string): string {
  return `${name.replace("/", "-")}-0123456789abcdef.elb.us-east-1.amazonaws.com`;
}

/** Source: aws-load-balancer-controller, docs/deploy/subnet_discovery.md: by tags, one in each zone. */
function subnetsFor(account: Account, scheme: string): string[] {
  const tag = scheme === "internal" ? "kubernetes.io/role/internal-elb" : "kubernetes.io/role/elb";
  const found = account.all(subnet).filter(({ properties }) => textMap(properties.tagsAll)[tag] === "1");
  if (found.length < 2)
    throw new Error(`the load balancer finds ${String(found.length)} subnets with the tag ${tag}`);
  return found.map(({ id }) => id);
}

function nameOf(object: Properties): string {
  return requiredText(object, "metadata.name");
}

function finalizersOf(object: Properties): string[] {
  return texts(object, "metadata.finalizers");
}

/** Path of an object of these kinds. */
function placeOf(object: Properties, plural: string): string {
  const group = { scaledobjects: "/apis/keda.sh/v1alpha1", externalsecrets: "/apis/external-secrets.io/v1" }[
    plural
  ];
  return `${group ?? "/api/v1"}/namespaces/${requiredText(object, "metadata.namespace")}/${plural}/${nameOf(object)}`;
}

function gpusOf(pod: Properties): number {
  return records(pod, "spec.containers").reduce(
    (sum, container) => sum + Number(textMap(at(container, "resources.limits"))["nvidia.com/gpu"] ?? 0),
    0,
  );
}

function promisesGpus(account: Account, { id }: Stored): boolean {
  const names = account
    .all(autoscalingGroup)
    .filter(({ name }) => name === id)
    .map((group) => group.id);
  return account
    .all("aws:autoscaling/tag:Tag")
    .some(
      ({ properties }) =>
        names.includes(requiredText(properties, "autoscalingGroupName")) &&
        text(properties, "tag.key") === "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu",
    );
}

/** A group's nodes by name, over its zones. Source of labels: EKS user guide, "Learn about managed node groups". */
function nodesOf(account: Account, { properties }: Stored): [string, object][] {
  if (account.find(cluster, requiredText(properties, "clusterName")) === undefined) return [];
  const group = requiredText(properties, "nodeGroupName");
  const [type = ""] = texts(properties, "instanceTypes");
  const zones = [...zonesOf(account, texts(properties, "subnetIds"))].sort();
  const count = numberAt(properties, "scalingConfig.desiredSize") ?? 0;
  const { cpu, memory, gpu } = machines[type] ?? usualMachine;
  const resources = {
    ...{ cpu, memory, "ephemeral-storage": "900Gi", pods: "110" },
    ...(gpu === undefined ? {} : { "nvidia.com/gpu": "8" }),
  };
  return Array.from({ length: count }, (_, index): [string, object] => {
    const zone = zones[index % zones.length] ?? "us-east-1a";
    const name = `${group}-${String(index)}${zone.slice(-1)}`.toLowerCase();
    const metadata = {
      name,
      annotations: { "kwok.x-k8s.io/node": "fake" },
      labels: {
        ...textMap(properties.labels),
        ...{
          "kubernetes.io/hostname": name,
          "kubernetes.io/os": "linux",
          "kubernetes.io/arch": "amd64",
          type: "kwok",
        },
        ...{ "node.kubernetes.io/instance-type": type, "topology.kubernetes.io/zone": zone },
        "eks.amazonaws.com/nodegroup": group,
        ...(gpu === undefined
          ? {}
          : {
              ...{ "nvidia.com/gpu.present": "true", "nvidia.com/gpu.count": "8" },
              ...{ "nvidia.com/gpu.product": gpu[0], "nvidia.com/gpu.memory": String(gpu[1]) },
            }),
      },
    };
    return [
      name,
      {
        ...{ apiVersion: "v1", kind: "Node", metadata },
        spec: { taints: taintsOf(properties) },
        status: { capacity: resources, allocatable: resources },
      },
    ];
  });
}

const effects: Readonly<Record<string, string>> = {
  NO_SCHEDULE: "NoSchedule",
  NO_EXECUTE: "NoExecute",
  PREFER_NO_SCHEDULE: "PreferNoSchedule",
};

function taintsOf(properties: Properties): object[] {
  return records(properties, "taints").map(({ key, value, effect }) => ({
    ...{ key, value },
    effect: effects[String(effect)],
  }));
}
