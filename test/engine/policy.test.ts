import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventsOf, type PolicyEvent } from "../support/policy-events.ts";
import { projectRoot } from "../support/tools.ts";

/**
 * The pack under the real CLI and language host. Resources of AWS are components under AWS' type names: the engine shows
 * their inputs to policies as it does those of any resource, and no provider is needed.
 */

/** The language host and a provider are in no registry. */
const hasEngine = process.env.TRITON_TOOLCHAIN !== undefined;

/** `id` is known only once the resource is there. */
const program = `
const pulumi = require("@pulumi/pulumi");
const random = new pulumi.CustomResource("random:index/randomString:RandomString", "id", { length: 8, special: false, result: undefined });
const inputs = JSON.parse(process.env.RESOURCES);
for (const { type, name, props } of inputs) {
  const filled = {};
  for (const [key, value] of Object.entries(props))
    filled[key] = typeof value === "string" && value.includes("{id}") ? random.id.apply((id) => value.replace("{id}", id)) : value;
  new pulumi.ComponentResource(type, name, filled);
}
`;

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly props: Readonly<Record<string, unknown>>;
}

describe.skipIf(!hasEngine)(
  `the policy pack in the engine${hasEngine ? "" : " (skipped, missing: TRITON_TOOLCHAIN)"}`,
  () => {
    let directory: string;

    beforeAll(async () => {
      directory = mkdtempSync(path.join(tmpdir(), "tp-policy-"));
      mkdirSync(path.join(directory, "state"));
      symlinkSync(path.join(projectRoot, "node_modules"), path.join(directory, "node_modules"));
      writeFileSync(path.join(directory, "index.cjs"), program);
      const project = { name: "triton-platform", runtime: "nodejs", main: "index.cjs" };
      writeFileSync(path.join(directory, "Pulumi.yaml"), JSON.stringify(project));
      await pulumi(["stack", "init", "test"], []);
    });

    afterAll(() => {
      rmSync(directory, { recursive: true, force: true });
    });

    async function pulumi(
      args: readonly string[],
      resources: readonly Declared[],
    ): Promise<{ readonly code: number; readonly text: string; readonly policies: readonly PolicyEvent[] }> {
      const log = path.join(directory, "events.json");
      rmSync(log, { force: true });
      const { exitCode, all } = await execa("pulumi", args, {
        cwd: directory,
        env: {
          PULUMI_BACKEND_URL: `file://${path.join(directory, "state")}`,
          PULUMI_CONFIG_PASSPHRASE: "of a test",
          PULUMI_SKIP_UPDATE_CHECK: "true",
          PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
          PULUMI_DEBUG_COMMANDS: "true",
          RESOURCES: JSON.stringify(resources),
        },
        all: true,
        reject: false,
      });
      return { code: exitCode ?? -1, text: all, policies: eventsOf(log) };
    }

    const run = (command: "preview" | "up", resources: readonly Declared[], ...more: string[]) =>
      pulumi(
        [
          ...[command, "--non-interactive", "--policy-pack", path.join(projectRoot, "policy")],
          ...["--event-log", path.join(directory, "events.json")],
          ...(command === "up" ? ["--yes", "--skip-preview"] : []),
          ...more,
        ],
        resources,
      );

    const cluster = (version: string): Declared => ({
      type: "aws:eks/cluster:Cluster",
      name: "main",
      props: { version, vpcConfig: { endpointPublicAccess: false } },
    });
    const trust = {
      type: "aws:iam/role:Role",
      name: "reader",
      props: {
        assumeRolePolicy: JSON.stringify({
          Statement: {
            Effect: "Allow",
            Action: "sts:AssumeRoleWithWebIdentity",
            Principal: {
              Federated: "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/{id}",
            },
            Condition: { StringEquals: { "oidc.eks/id/{id}:aud": "sts.amazonaws.com" } },
          },
        }),
      },
    };

    it("warns in dev and refuses in prod, by the stack's config", async () => {
      const inDev = await run("preview", [cluster("1.29")]);
      expect(inDev.policies).toContainEqual(
        expect.objectContaining({ policyName: "eks-version-supported", enforcementLevel: "advisory" }),
      );
      expect(inDev.code).toBe(0);
      await pulumi(["config", "set", "environment", "prod"], []);
      const inProd = await run("preview", [cluster("1.29")]);
      expect(inProd.policies).toContainEqual(
        expect.objectContaining({ policyName: "eks-version-supported", enforcementLevel: "mandatory" }),
      );
      expect(inProd.text).toMatch(/Cluster main: version: 1\.29 is not in standard support\s+→ upgrade to/);
      expect(inProd.code).not.toBe(0);
    });

    it("says in the preview what it cannot decide, and decides on up", async () => {
      const preview = await run("preview", [trust]);
      const ofRule = ({ policyName }: PolicyEvent): boolean => policyName === "iam-web-identity-pinned";
      const [undecided] = preview.policies.filter(ofRule);
      expect(undecided?.message).toMatch(
        /can't run policy 'iam-web-identity-pinned'.*assumeRolePolicy can't be known during preview/,
      );
      expect(undecided?.enforcementLevel).toBe("advisory");
      const up = await run("up", [trust]);
      expect(
        up.policies
          .filter(ofRule)
          .map(({ message }) => message)
          .join(),
      ).toMatch(/no condition on its subject/);
      expect(up.code).not.toBe(0);
    });

    it("goes by a policy config, and mends where it is asked to", async () => {
      const config = path.join(directory, "policy.json");
      const values = {
        all: "disabled",
        "tags-required": { enforcementLevel: "remediate", tags: ["owner"], defaults: { owner: "platform" } },
        "eks-version-supported": { enforcementLevel: "mandatory", supportedVersions: ["1.29"] },
      };
      writeFileSync(config, JSON.stringify(values));
      const { code, text, policies } = await run(
        "preview",
        [cluster("1.29")],
        "--policy-pack-config",
        config,
      );
      expect(code, text).toBe(0);
      expect(policies).toEqual([]);
      expect(text).toContain("tags-required");
      writeFileSync(
        config,
        JSON.stringify({ ...values, "tags-required": { enforcementLevel: "mandatory", tags: ["owner"] } }),
      );
      const refused = await run("preview", [cluster("1.29")], "--policy-pack-config", config);
      expect(refused.policies.map(({ message }) => message).join()).toMatch(/without the tag owner/);
      expect(refused.code).not.toBe(0);
    });
  },
);
