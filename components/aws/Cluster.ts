import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import { AccessEntry } from "@pulumi/aws/eks/accessEntry.js";
import { AccessPolicyAssociation } from "@pulumi/aws/eks/accessPolicyAssociation.js";
import { Cluster as ControlPlane } from "@pulumi/aws/eks/cluster.js";
import { OpenIdConnectProvider } from "@pulumi/aws/iam/openIdConnectProvider.js";
import * as pulumi from "@pulumi/pulumi";
import { kubeconfig } from "../../core/aws/kubeconfig.ts";
import type { AddonPlan, ClusterPlan, PolicyStatement } from "../../core/aws/plan.ts";
import { ClusterAddon } from "./ClusterAddon.ts";
import { EncryptionKey } from "./EncryptionKey.ts";
import type { NodeSubnet } from "./Network.ts";
import { NodeGroup } from "./NodeGroup.ts";
import { ServiceRole } from "./ServiceRole.ts";

export interface ClusterArgs {
  /** Name of the cluster, which is fixed: its log group and its tokens hold it. */
  name: string;
  /** Version, access, add-ons and node groups; plain data, checked before. Its controllers are ClusterControllers'. */
  plan: ClusterPlan;
  /** Of AWS: the kubeconfig names it. */
  region: string;
  /** Of the API server's network interfaces and of nodes: private, in two zones at least. */
  subnets: readonly NodeSubnet[];
  /** On nodes, their volumes and network interfaces, which a provider's default tags do not reach. Default: none. */
  tags?: Readonly<Record<string, string>>;
  /** Whether Pulumi and EKS refuse to delete the cluster, Pulumi its node groups and keys too. Default: false. */
  protect?: boolean;
}

/**
 * A cluster of EKS with its nodes: access by entries of its own alone (whoever made it has none by that), Secrets
 * encrypted with a key of the account's, all logs of the control plane, an OIDC provider for the roles of pods, and EKS'
 * add-ons: those that nodes need before them, those that need nodes after.
 *
 * @example
 * ```ts
 * import { Cluster, type ClusterPlan } from "triton-platform/components";
 *
 * declare const plan: ClusterPlan;
 * const cluster = new Cluster("models", {
 *   name: "models",
 *   plan,
 *   region: "us-east-1",
 *   subnets: [
 *     { zone: "us-east-1a", id: "subnet-0123456789abcdef0" },
 *     { zone: "us-east-1b", id: "subnet-0123456789abcdef1" },
 *   ],
 * });
 *
 * export const { kubeconfig } = cluster;
 * ```
 */
export class Cluster extends pulumi.ComponentResource {
  readonly clusterName: pulumi.Output<string>;
  readonly endpoint: pulumi.Output<string>;
  /** Of the API server's certificate: PEM in base64. */
  readonly certificateAuthority: pulumi.Output<string>;
  readonly oidcProvider: { readonly arn: pulumi.Output<string>; readonly issuer: pulumi.Output<string> };
  /** The one that EKS makes: nodes and the API server have it. */
  readonly securityGroupId: pulumi.Output<string>;
  /** JSON, with the AWS CLI as the way to a token: no secret is in it. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:Cluster", name, {}, opts);
    const { plan, region, subnets, tags = {}, protect = false } = args;
    const inside = { parent: this };

    const key = new EncryptionKey(
      `${name}-key`,
      { description: `Secrets of the cluster ${args.name}`, protect },
      inside,
    );
    const logs = new LogGroup(
      `${name}-logs`,
      { name: `/aws/eks/${args.name}/cluster`, retentionInDays: plan.logRetentionDays },
      inside,
    );
    const role = new ServiceRole(
      `${name}-control-plane`,
      { plan: plan.role, statements: key.arn.apply((arn) => [encrypting(arn)]) },
      inside,
    );
    const isPublic = plan.publicAccessCidrs.length > 0;
    const cluster = new ControlPlane(
      name,
      {
        name: args.name,
        version: plan.version,
        roleArn: role.arn,
        accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: false },
        // The add-ons below are in their place, at pinned versions.
        bootstrapSelfManagedAddons: false,
        vpcConfig: {
          subnetIds: subnets.map(({ id }) => id),
          endpointPrivateAccess: true,
          endpointPublicAccess: isPublic,
          ...(isPublic ? { publicAccessCidrs: [...plan.publicAccessCidrs] } : {}),
        },
        enabledClusterLogTypes: [...plan.logTypes],
        encryptionConfig: { provider: { keyArn: key.arn }, resources: ["secrets"] },
        // Not kept on a version for six times the price: it is upgraded when that ends.
        upgradePolicy: { supportType: "STANDARD" },
        deletionProtection: protect,
      },
      // EKS would make the log group itself, for ever.
      { ...inside, protect, dependsOn: [logs, role] },
    );

    const { certificateAuthority, endpoint } = cluster;
    const issuer = cluster.identities.apply(([identity]) => identity?.oidcs[0]?.issuer ?? "");
    const oidc = new OpenIdConnectProvider(
      `${name}-oidc`,
      // IAM finds the certificate's thumbprint itself.
      { url: issuer, clientIdLists: ["sts.amazonaws.com"] },
      inside,
    );
    this.clusterName = cluster.name;
    this.endpoint = endpoint;
    this.certificateAuthority = certificateAuthority.data;
    this.oidcProvider = { arn: oidc.arn, issuer };
    this.securityGroupId = cluster.vpcConfig.clusterSecurityGroupId;

    const access = plan.access.flatMap((entry) => {
      const { principalArn, policyArn, namespaces } = entry;
      const made = new AccessEntry(
        `${name}-access-${entry.name}`,
        { clusterName: cluster.name, principalArn },
        inside,
      );
      const association = new AccessPolicyAssociation(
        `${name}-access-${entry.name}-policy`,
        {
          clusterName: cluster.name,
          principalArn,
          policyArn,
          accessScope:
            namespaces.length === 0
              ? { type: "cluster" }
              : { type: "namespace", namespaces: [...namespaces] },
        },
        { ...inside, dependsOn: made },
      );
      return [made, association];
    });

    const addon = (planned: AddonPlan, dependsOn: readonly pulumi.Resource[]): ClusterAddon =>
      new ClusterAddon(
        `${name}-${planned.name}`,
        { plan: planned, clusterName: cluster.name, oidcProvider: this.oidcProvider },
        { ...inside, dependsOn: [...dependsOn] },
      );
    const before = plan.addons.filter(({ needsNodes }) => !needsNodes).map((planned) => addon(planned, []));
    const nodeRole = new ServiceRole(`${name}-node`, { plan: plan.nodeRole }, inside);
    const groups = plan.nodeGroups.map(
      (group) =>
        new NodeGroup(
          `${name}-${group.name}`,
          {
            plan: group,
            clusterName: cluster.name,
            version: cluster.version,
            subnets,
            nodeRoleArn: nodeRole.arn,
            tags,
            protect,
          },
          { ...inside, dependsOn: [nodeRole, ...before] },
        ),
    );
    for (const planned of plan.addons.filter(({ needsNodes }) => needsNodes)) addon(planned, groups);

    // Whoever uses it is let in by then, and as long as it is used.
    this.kubeconfig = pulumi
      .all([endpoint, certificateAuthority.data, pulumi.all(access.map(({ urn }) => urn))])
      .apply(([server, ca]) =>
        kubeconfig({ name: args.name, region, endpoint: server, certificateAuthority: ca }),
      );
    this.registerOutputs({
      clusterName: this.clusterName,
      endpoint,
      certificateAuthority: this.certificateAuthority,
      oidcProvider: this.oidcProvider,
      securityGroupId: this.securityGroupId,
      kubeconfig: this.kubeconfig,
    });
  }
}

/** Source: terraform-aws-eks 21, `encryption_policy`: what the control plane's role needs of the key of Secrets. */
function encrypting(keyArn: string): PolicyStatement {
  return {
    Sid: "EncryptSecrets",
    Effect: "Allow",
    Action: ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"],
    Resource: keyArn,
  };
}
