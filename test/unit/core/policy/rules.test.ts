import { describe, expect, it } from "vitest";
import { contextOf, evaluate, hasFailed } from "../../../../core/policy/evaluate.ts";
import { noConfig } from "../../../../core/policy/config.ts";
import { policyRules } from "../../../../core/policy/rules/index.ts";
import { environments } from "../../../../core/policy/environment.ts";
import type { PolicyResource } from "../../../../core/policy/rule.ts";
import { Value } from "../../../../core/policy/value.ts";
import { aws, changed, judged, linesOf, object, ruleOf, stack, unknown } from "../../../support/policy.ts";
import { budget, denyAll, server } from "../../../support/policy-pods.ts";
import { awsCases, openBucket } from "./aws-cases.ts";
import { kubernetesCases } from "./kubernetes-cases.ts";

const cases = [...kubernetesCases, ...awsCases];

/** Everything that a rule may look at, of a type that it may not. */
const stranger: PolicyResource = { type: "aws:sqs/queue:Queue", name: "jobs", props: server.props };

describe.each(cases)(
  "$rule",
  ({ rule, environment, good, alsoGood = [], bad, unknown: unknowns, config = [] }) => {
    const lines = (resources: readonly PolicyResource[], values = {}): readonly string[] =>
      linesOf(judged(rule, resources, environment, values));

    it("has nothing against what is good", () => {
      expect(lines(good)).toEqual([]);
      for (const change of alsoGood) expect(lines(changed(good, change))).toEqual([]);
    });

    it("says what is wrong, where, and what to do", () => {
      for (const [change, message] of bad) {
        const verdicts = judged(rule, changed(good, change), environment);
        expect(linesOf(verdicts).join("\n")).toMatch(message);
        expect(hasFailed(verdicts)).toBe(true);
        for (const { finding } of verdicts)
          expect(finding).toHaveProperty("hint", expect.stringMatching(/\w{3}/));
      }
    });

    it("is not decided by what is not known yet, unless that is enough", () => {
      for (const [path, answer] of unknowns) {
        const verdicts = judged(rule, changed(good, [path, unknown]), environment);
        if (answer === "enough") expect(linesOf(verdicts)).toEqual([]);
        else if (answer === "undecided") {
          expect(linesOf(verdicts).join("\n")).toMatch(/^undecided: .*not known before it is there/);
          expect(hasFailed(verdicts)).toBe(false);
        } else expect(linesOf(verdicts).join("\n")).toMatch(answer);
      }
    });

    it("goes by its policy config", () => {
      for (const [values, change, message] of config) {
        const found = lines(changed(good, change), values).join("\n");
        if (message === undefined) expect(found).toBe("");
        else expect(found).toMatch(message);
      }
    });

    it("touches no other type", () => {
      expect(ruleOf(rule).types).not.toContain(stranger.type);
      expect(lines([stranger])).toEqual([]);
    });
  },
);

describe("the list of rules", () => {
  it("has cases of every rule", () => {
    const covered = new Set(cases.map(({ rule }) => rule));
    expect(policyRules.filter(({ id }) => !covered.has(id)).map(({ id }) => id)).toEqual([]);
  });

  it("has a case of the config for every limit", () => {
    const set = new Map<string, Set<string>>();
    for (const { rule, config = [] } of cases) {
      const names = set.get(rule) ?? new Set();
      for (const [values] of config) for (const name of Object.keys(values)) names.add(name);
      set.set(rule, names);
    }
    const missing = policyRules.flatMap(({ id, limits }) =>
      limits.flatMap(({ name }) => (set.get(id)?.has(name) === true ? [] : [`${id}.${name}`])),
    );
    // Of a remedy, which is tried below.
    expect(missing).toEqual(["tags-required.defaults"]);
  });

  it("names each rule once", () => {
    const ids = policyRules.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/);
  });
});

describe("buckets", () => {
  const [bucket, block] = openBucket;

  it("are judged by each of the four ways", () => {
    expect(linesOf(judged("s3-public-access-blocked", openBucket))).toEqual([
      "blockPublicPolicy: not set on its public access block",
      "ignorePublicAcls: not set on its public access block",
      "restrictPublicBuckets: not set on its public access block",
    ]);
  });

  it("are found by what their settings are made of, before any name is known", () => {
    const unnamed = { ...bucket, props: new Value({}) };
    const closed = new Value({
      ...{ bucket: unknown, blockPublicAcls: true, blockPublicPolicy: true },
      ...{ ignorePublicAcls: true, restrictPublicBuckets: true },
    });
    const ofIt = { ...block, props: closed, dependencies: { bucket: [bucket] } };
    const ofOthers = { ...ofIt, dependencies: { bucket: [{ type: bucket.type, name: "other" }] } };
    expect(judged("s3-public-access-blocked", [unnamed, ofIt])).toEqual([]);
    expect(linesOf(judged("s3-public-access-blocked", [unnamed, ofOthers])).join()).toMatch(/nothing blocks/);
  });

  it("are undecided where nothing says whose settings they are", () => {
    const nameless = { ...block, props: new Value({ bucket: unknown }) };
    expect(linesOf(judged("s3-public-access-blocked", [bucket, nameless]))).toEqual([
      "undecided: bucket is not known before it is there",
    ]);
  });

  it("keep versions only while that is switched on", () => {
    const suspended = aws("s3/bucketVersioning:BucketVersioning", {
      ...{ bucket: "models", versioningConfiguration: { status: "Suspended" } },
    });
    expect(linesOf(judged("s3-versioned", [bucket, suspended]))).toEqual([
      "versioningConfiguration.status: versioning is Suspended",
    ]);
  });

  it("of access logs need no versions, and S3's own keys", () => {
    const logging = aws("s3/bucketLogging:BucketLogging", { bucket: "data", targetBucket: "models" });
    const own = aws("s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", {
      bucket: "models",
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    });
    expect(judged("s3-versioned", [bucket, logging])).toEqual([]);
    expect(judged("s3-encrypted", [bucket, logging, own])).toEqual([]);
    expect(linesOf(judged("s3-encrypted", [bucket, own])).join()).toMatch(/AES256 is no encryption/);
  });
});

describe("what inputs do not tell", () => {
  const bucket = aws("s3/bucket:Bucket", { forceDestroy: true });

  it("prod: what is lost is protected", () => {
    expect(linesOf(judged("prod-protected", [{ ...bucket, isProtected: false }]))).toEqual([
      ": Pulumi may delete it",
    ]);
    // A plan does not know.
    expect(judged("prod-protected", [bucket])).toEqual([]);
  });

  it("bench: nothing is", () => {
    const found = linesOf(judged("bench-deletable", [{ ...bucket, isProtected: true }], "bench"));
    expect(found).toEqual([": Pulumi refuses to delete it"]);
  });

  it("keys of users are refused whatever they are", () => {
    expect(linesOf(judged("iam-no-static-keys", [aws("iam/accessKey:AccessKey", {})])).join()).toMatch(
      /does not expire/,
    );
    expect(linesOf(judged("iam-no-static-keys", [aws("iam/user:User", {})])).join()).toMatch(/an IAM user/);
  });

  it("a budget that lets no pod go is none", () => {
    const [tight = budget] = changed([budget], [["spec", "maxUnavailable"], 0]);
    expect(linesOf(judged("prod-disruption-budget", [server, tight]))).toEqual([
      ": its PodDisruptionBudget lets no pod go (maxUnavailable: 0)",
    ]);
  });

  it("TLS may end in the load balancer before the balancer, whose own Service says so", () => {
    const labels = { "app.kubernetes.io/name": "triton-balancer" };
    const pod = {
      metadata: { labels },
      spec: {
        containers: [{ name: "haproxy", command: ["haproxy"] }],
        volumes: [{ name: "api-keys", secret: { secretName: "keys" } }],
      },
    };
    const balancer = object("apps/v1", "Deployment", "triton-balancer", { spec: { template: pod } });
    const annotations = { "service.beta.kubernetes.io/aws-load-balancer-ssl-cert": "arn:aws:acm:…" };
    const service = (selector: object, metadata: object = { annotations }): PolicyResource =>
      object("v1", "Service", "triton-balancer", { spec: { type: "LoadBalancer", selector } }, metadata);
    const found = (other: PolicyResource) => linesOf(judged("balancer-authenticates", [balancer, other]));
    expect(found(service(labels))).toEqual([]);
    for (const other of [service({ app: "other" }), service({}), service(labels, {})])
      expect(found(other).join()).toMatch(/plain text/);
  });

  it("tags may come from the provider", () => {
    const provider = new Value({
      defaultTags: { tags: { owner: "a", environment: "b", "cost-center": "c" } },
    });
    expect(judged("tags-required", [{ ...aws("kms/key:Key", {}), provider }])).toEqual([]);
  });

  it("a type without a price is said, and not taken as free", () => {
    const group = aws("eks/nodeGroup:NodeGroup", {
      instanceTypes: ["p5e.48xlarge"],
      scalingConfig: { desiredSize: 1, maxSize: 1 },
    });
    expect(linesOf(judged("cost-ceiling", [stack, group]))).toEqual([": what example costs is not known"]);
  });

  it("of a secret nothing is repeated", () => {
    const key = ["sk", "planted0123456789abcdef"].join("-");
    const resources = [
      changed(
        [server],
        [["spec", "template", "spec", "containers", 0, "env", 0], { name: "API_KEY", value: key }],
      ),
      changed(
        [server],
        [
          ["spec", "template", "spec", "containers", 0, "args"],
          [`--token=${key}`, key],
        ],
      ),
    ];
    for (const each of resources) {
      const verdicts = judged("no-plaintext-credentials", each);
      expect(verdicts.length).toBeGreaterThan(0);
      expect(JSON.stringify(verdicts)).not.toContain("planted");
    }
  });
});

describe("an environment", () => {
  const resources = [server, budget, denyAll, stack];

  it("has nothing against a good server", () => {
    for (const environment of environments)
      expect(evaluate(policyRules, resources, { environment, config: noConfig })).toEqual([]);
  });

  it("is more or less strict", () => {
    const image = ["spec", "template", "spec", "containers", 0, "image"] as const;
    const tagged = changed(resources, [image, "nvcr.io/nvidia/tritonserver:26.07-py3"]);
    const levels = environments.map((environment) =>
      evaluate(policyRules, tagged, { environment, config: noConfig }).map(
        ({ rule, level }) => `${rule.id} ${level}`,
      ),
    );
    expect(levels).toEqual([[], ["image-digest advisory"], ["image-digest mandatory"], []]);
  });

  it("is overruled by a policy config, for one rule or for all", () => {
    const bare = [server, budget];
    const found = (config: Parameters<typeof evaluate>[2]["config"]): readonly string[] =>
      evaluate(policyRules, bare, { environment: "prod", config }).map(
        ({ rule, level }) => `${rule.id} ${level}`,
      );
    expect(found(noConfig)).toEqual(["network-default-deny mandatory", "network-default-deny mandatory"]);
    expect(found(new Map([["all", { level: "advisory", values: {} }]]))[0]).toBe(
      "network-default-deny advisory",
    );
    expect(found(new Map([["network-default-deny", { level: "disabled", values: {} }]]))).toEqual([]);
  });
});

describe("a remedy", () => {
  const remedies = (id: string, resource: PolicyResource, values: Readonly<Record<string, unknown>> = {}) => {
    const rule = ruleOf(id);
    const config = new Map([[id, { values }]]);
    return rule.remedy?.(resource, contextOf(rule, [resource], { environment: "prod", config }));
  };

  it("encrypts volumes and leaves those that are", () => {
    const template = aws("ec2/launchTemplate:LaunchTemplate", {
      blockDeviceMappings: [{ ebs: { encrypted: "true" } }, { ebs: {} }, { noDevice: "x" }],
    });
    expect(remedies("nodes-encrypted-volumes", template)).toEqual([
      { path: ["blockDeviceMappings", 1, "ebs", "encrypted"], value: "true" },
    ]);
    expect(remedies("nodes-encrypted-volumes", aws("ebs/volume:Volume", {}))).toEqual([
      { path: ["encrypted"], value: true },
    ]);
  });

  it("adds tags that are missing, where the config has them", () => {
    const cluster = aws("eks/cluster:Cluster", { tags: { owner: "me" } });
    expect(remedies("tags-required", cluster)).toEqual([]);
    const defaults = { owner: "platform", "cost-center": "4711" };
    expect(remedies("tags-required", cluster, { defaults })).toEqual([
      { path: ["tags", "cost-center"], value: "4711" },
    ]);
  });
});
