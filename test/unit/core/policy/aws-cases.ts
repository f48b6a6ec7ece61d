import { aws, nothing, stack, type RuleCases } from "../../../support/policy.ts";

const bucket = aws("s3/bucket:Bucket", { bucket: "models" });
const part = (type: string, props: object) => aws(`s3/${type}`, { bucket: "models", ...props });

const block = part("bucketPublicAccessBlock:BucketPublicAccessBlock", {
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
});
const openBlock = part("bucketPublicAccessBlock:BucketPublicAccessBlock", { blockPublicAcls: true });
const encryption = part("bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", {
  rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms" } }],
});
const tls = part("bucketPolicy:BucketPolicy", {
  policy: JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: "*",
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    ],
  }),
});
const versioning = part("bucketVersioning:BucketVersioning", {
  versioningConfiguration: { status: "Enabled" },
});

const cluster = aws("eks/cluster:Cluster", {
  version: "1.35",
  vpcConfig: { endpointPublicAccess: false, endpointPrivateAccess: true },
  enabledClusterLogTypes: ["api", "audit", "authenticator", "controllerManager", "scheduler"],
  encryptionConfig: { resources: ["secrets"], provider: { keyArn: "arn:aws:kms:…" } },
  accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: false },
});

const template = aws("ec2/launchTemplate:LaunchTemplate", {
  metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
  blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: { encrypted: "true" } }],
});

const nodeGroup = aws("eks/nodeGroup:NodeGroup", {
  instanceTypes: ["p4de.24xlarge"],
  capacityType: "ON_DEMAND",
  launchTemplate: { id: "lt-1", version: "1" },
  scalingConfig: { minSize: 1, desiredSize: 1, maxSize: 2 },
});

const statement = (fields: object): string =>
  JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...fields }] });

const policy = aws("iam/policy:Policy", {
  policy: statement({ Action: ["s3:GetObject", "kms:Decrypt"], Resource: "arn:aws:s3:::models/*" }),
});

const issuer = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE";
const trust = (equals: object): string =>
  JSON.stringify({
    Statement: {
      Effect: "Allow",
      Action: "sts:AssumeRoleWithWebIdentity",
      Principal: { Federated: `arn:aws:iam::111122223333:oidc-provider/${issuer}` },
      Condition: { StringEquals: equals },
    },
  });
const pinned = {
  [`${issuer}:sub`]: "system:serviceaccount:triton:triton-gpu",
  [`${issuer}:aud`]: "sts.amazonaws.com",
};
const role = aws("iam/role:Role", { assumeRolePolicy: trust(pinned) });

const rule = aws("vpc/securityGroupIngressRule:SecurityGroupIngressRule", {
  cidrIpv4: "10.0.0.0/16",
  fromPort: 22,
  toPort: 22,
});

const vpc = aws("ec2/vpc:Vpc", { id: "vpc-1" }, { name: "main" });
const flowLog = aws("ec2/flowLog:FlowLog", { vpcId: "vpc-1" });

const tags = { owner: "team-search", environment: "prod", "cost-center": "4711" };
const tagged = aws("eks/cluster:Cluster", { tags });
const short = aws("eks/cluster:Cluster", { tags: { ...tags, ttl: "8h" } });

/** Cases of every rule about resources of AWS; what no change of inputs tells is in policy.test.ts. */
export const awsCases: readonly RuleCases[] = [
  {
    rule: "s3-public-access-blocked",
    good: [bucket, block],
    bad: [[[["bucket"], "others"], /nothing blocks public access/]],
    unknown: [[["arn"], "enough"]],
  },
  {
    rule: "s3-public-access-blocked",
    good: [bucket, block],
    bad: [[[["bucket"], undefined], /nothing blocks/]],
    unknown: [[["tags"], "enough"]],
  },
  {
    rule: "s3-encrypted",
    good: [bucket, encryption],
    bad: [[[["bucket"], "others"], /no encryption with a key of KMS/]],
    unknown: [[["tags"], "enough"]],
  },
  {
    rule: "s3-tls-only",
    good: [bucket, tls],
    bad: [[[["bucket"], "others"], /no policy of it denies calls without TLS/]],
    unknown: [[["tags"], "enough"]],
  },
  {
    rule: "s3-versioned",
    good: [bucket, versioning],
    bad: [[[["bucket"], "others"], /keeps no versions/]],
    unknown: [[["tags"], "enough"]],
  },
  {
    rule: "s3-no-force-destroy",
    good: [bucket],
    bad: [[[["forceDestroy"], true], /forceDestroy: true: what is in the bucket goes with it/]],
    unknown: [[["forceDestroy"], "undecided"]],
  },
  {
    rule: "eks-endpoint-restricted",
    good: [cluster],
    alsoGood: [[["vpcConfig"], { endpointPublicAccess: true, publicAccessCidrs: ["203.0.113.0/24"] }]],
    bad: [
      [[["vpcConfig"], {}], /AWS' default/],
      [
        [["vpcConfig"], { publicAccessCidrs: ["10.0.0.0/8", "0.0.0.0/0"] }],
        /publicAccessCidrs\[1\]: the endpoint is public and open to 0\.0\.0\.0\/0/,
      ],
    ],
    unknown: [[["vpcConfig", "endpointPublicAccess"], "undecided"]],
  },
  {
    rule: "eks-endpoint-private-in-prod",
    good: [cluster],
    bad: [
      [[["vpcConfig", "endpointPublicAccess"], true], /the endpoint is public/],
      [[["vpcConfig", "endpointPrivateAccess"], undefined], /over the internet/],
    ],
    unknown: [[["vpcConfig", "endpointPublicAccess"], "undecided"]],
  },
  {
    rule: "eks-control-plane-logs",
    good: [cluster],
    bad: [
      [
        [["enabledClusterLogTypes"], ["api", "audit"]],
        /without the logs authenticator, controllerManager, scheduler/,
      ],
    ],
    unknown: [[["enabledClusterLogTypes"], "undecided"]],
  },
  {
    rule: "eks-secrets-encrypted",
    good: [cluster],
    bad: [
      [[["encryptionConfig"], undefined], /not encrypted with a key/],
      [[["encryptionConfig", "provider"], undefined], /no key is named/],
    ],
    unknown: [
      [["encryptionConfig", "provider", "keyArn"], "enough"],
      [["encryptionConfig"], "undecided"],
    ],
  },
  {
    rule: "eks-version-supported",
    good: [cluster],
    bad: [
      [[["version"], "1.29"], /version: 1\.29 is not in standard support/],
      [[["version"], undefined], /not set/],
    ],
    unknown: [[["version"], "undecided"]],
    config: [
      [{ supportedVersions: ["1.36"] }, nothing, /1\.35 is not in standard support/],
      [{ supportedVersions: ["1.29"] }, [["version"], "1.29"], undefined],
    ],
  },
  {
    rule: "eks-access-entries",
    good: [cluster],
    bad: [
      [[["accessConfig", "authenticationMode"], "API_AND_CONFIG_MAP"], /API_AND_CONFIG_MAP/],
      [[["accessConfig"], undefined], /not set, which is CONFIG_MAP/],
      [[["accessConfig", "bootstrapClusterCreatorAdminPermissions"], true], /administrator for ever/],
    ],
    unknown: [[["accessConfig", "authenticationMode"], "undecided"]],
  },
  {
    rule: "kms-key-rotation",
    good: [aws("kms/key:Key", { enableKeyRotation: true })],
    bad: [[[["enableKeyRotation"], undefined], /does not rotate/]],
    unknown: [[["enableKeyRotation"], "undecided"]],
  },
  {
    rule: "ecr-images-fixed",
    good: [
      aws("ecr/repository:Repository", {
        imageTagMutability: "IMMUTABLE",
        imageScanningConfiguration: { scanOnPush: true },
      }),
    ],
    bad: [
      [[["imageTagMutability"], undefined], /tags are MUTABLE/],
      [[["imageScanningConfiguration"], undefined], /not scanned/],
    ],
    unknown: [[["imageTagMutability"], "undecided"]],
  },
  {
    rule: "logs-expire",
    good: [aws("cloudwatch/logGroup:LogGroup", { retentionInDays: 90 })],
    bad: [
      [[["retentionInDays"], undefined], /kept for ever/],
      [[["retentionInDays"], 0], /kept for ever/],
    ],
    unknown: [[["retentionInDays"], "undecided"]],
  },
  {
    rule: "vpc-flow-logs",
    good: [vpc, flowLog],
    bad: [[[["id"], "vpc-2"], /nothing logs its traffic/]],
    unknown: [[["id"], "undecided"]],
  },
  {
    rule: "subnet-no-public-addresses",
    good: [aws("ec2/subnet:Subnet", { cidrBlock: "10.0.0.0/24" })],
    bad: [[[["mapPublicIpOnLaunch"], true], /public addresses/]],
    unknown: [[["mapPublicIpOnLaunch"], "undecided"]],
  },
  {
    rule: "secret-recoverable",
    good: [aws("secretsmanager/secret:Secret", { recoveryWindowInDays: 30 })],
    alsoGood: [[["recoveryWindowInDays"], undefined]],
    bad: [[[["recoveryWindowInDays"], 0], /gone at once/]],
    unknown: [[["recoveryWindowInDays"], "undecided"]],
  },
  {
    rule: "nodes-imdsv2",
    good: [template],
    bad: [
      [[["metadataOptions", "httpTokens"], undefined], /tokens are optional/],
      [[["metadataOptions", "httpPutResponseHopLimit"], 2], /the hop limit is 2/],
      [[["metadataOptions"], undefined], /AWS' default/],
    ],
    unknown: [[["metadataOptions", "httpTokens"], "undecided"]],
  },
  {
    rule: "nodes-launch-template",
    good: [nodeGroup],
    bad: [[[["launchTemplate"], undefined], /launchTemplate: not set/]],
    unknown: [[["launchTemplate"], "enough"]],
  },
  {
    rule: "nodes-encrypted-volumes",
    good: [template],
    bad: [
      [
        [["blockDeviceMappings", 0, "ebs", "encrypted"], "false"],
        /blockDeviceMappings\[0\]\.ebs\.encrypted: the volume is not encrypted/,
      ],
    ],
    unknown: [[["blockDeviceMappings", 0, "ebs", "encrypted"], "undecided"]],
  },
  {
    rule: "nodes-no-ssh",
    good: [template],
    bad: [[[["keyName"], "mine"], /an SSH key is put on every node/]],
    unknown: [[["keyName"], /an SSH key/]],
  },
  {
    rule: "nodes-no-ssh",
    good: [nodeGroup],
    bad: [[[["remoteAccess"], { ec2SshKey: "mine" }], /remoteAccess\.ec2SshKey/]],
    unknown: [[["tags"], "enough"]],
  },
  {
    rule: "nodes-no-spot-in-prod",
    good: [nodeGroup],
    bad: [[[["capacityType"], "SPOT"], /capacityType: SPOT/]],
    unknown: [[["capacityType"], "undecided"]],
  },
  {
    rule: "nodes-known-types",
    good: [nodeGroup],
    bad: [[[["instanceTypes"], ["x9.huge"]], /instanceTypes\[0\]: x9\.huge is not in the catalogue/]],
    unknown: [[["instanceTypes"], "undecided"]],
    config: [
      [{ allowedInstanceTypes: ["g6.xlarge"] }, nothing, /p4de\.24xlarge is not among the allowed types/],
      [{ allowedInstanceTypes: ["p4de.24xlarge"] }, nothing, undefined],
    ],
  },
  {
    rule: "security-group-closed",
    good: [rule],
    alsoGood: [[[], { cidrIpv4: "0.0.0.0/0", fromPort: 443, toPort: 443 }]],
    bad: [
      [[["cidrIpv4"], "0.0.0.0/0"], /0\.0\.0\.0\/0 may reach port 22 to 22/],
      [[[], { cidrIpv6: "::/0" }], /::\/0 may reach every port/],
    ],
    unknown: [[["cidrIpv4"], "undecided"]],
  },
  {
    rule: "security-group-closed",
    good: [
      aws("ec2/securityGroup:SecurityGroup", {
        ingress: [{ cidrBlocks: ["10.0.0.0/8"], fromPort: 8000, toPort: 8000 }],
      }),
    ],
    bad: [[[["ingress", 0, "cidrBlocks"], ["0.0.0.0/0"]], /ingress\[0\]\.cidrBlocks\[0\]/]],
    unknown: [[["ingress"], "undecided"]],
  },
  {
    rule: "security-group-closed",
    good: [aws("ec2/securityGroupRule:SecurityGroupRule", { type: "egress", cidrBlocks: ["0.0.0.0/0"] })],
    bad: [[[["type"], "ingress"], /every port/]],
    unknown: [[["type"], "undecided"]],
  },
  {
    rule: "iam-least-privilege",
    good: [policy],
    alsoGood: [[["policy"], JSON.stringify({ Statement: { Effect: "Deny", Action: "*", Resource: "*" } })]],
    bad: [
      [[["policy"], statement({ Action: "*", Resource: "*" })], /policy: allows \* on \*/],
      [
        [["policy"], statement({ Action: ["s3:*"], Resource: "arn:aws:s3:::models" })],
        /allows s3:\* on arn:aws:s3:::models/,
      ],
      [[["policy"], statement({ NotAction: "iam:*", Resource: "*" })], /everything but iam:\*/],
    ],
    unknown: [[["policy"], "undecided"]],
  },
  {
    rule: "iam-least-privilege",
    good: [role],
    bad: [
      [
        [["managedPolicyArns"], ["arn:aws:iam::aws:policy/AdministratorAccess"]],
        /managedPolicyArns\[0\].*far more/,
      ],
      [
        [["inlinePolicies"], [{ policy: statement({ Action: "s3:*", Resource: "*" }) }]],
        /inlinePolicies\[0\]\.policy/,
      ],
    ],
    unknown: [[["managedPolicyArns"], "undecided"]],
  },
  {
    rule: "iam-least-privilege",
    good: [
      aws("iam/rolePolicyAttachment:RolePolicyAttachment", {
        policyArn: "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
      }),
    ],
    bad: [[[["policyArn"], "arn:aws:iam::aws:policy/AmazonS3FullAccess"], /far more/]],
    unknown: [[["policyArn"], "undecided"]],
  },
  {
    rule: "iam-web-identity-pinned",
    good: [role],
    alsoGood: [
      [
        ["assumeRolePolicy"],
        statement({ Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }),
      ],
    ],
    bad: [
      [
        [["assumeRolePolicy"], trust({ [`${issuer}:aud`]: "sts.amazonaws.com" })],
        /no condition on its subject/,
      ],
      [
        [["assumeRolePolicy"], trust({ ...pinned, [`${issuer}:sub`]: "system:serviceaccount:triton:*" })],
        /is no single ServiceAccount/,
      ],
      [[["assumeRolePolicy"], trust({ [`${issuer}:sub`]: pinned[`${issuer}:sub`] })], /audience/],
    ],
    unknown: [[["assumeRolePolicy"], "undecided"]],
  },
  {
    rule: "iam-no-static-keys",
    good: [],
    bad: [],
    unknown: [],
  },
  {
    rule: "tags-required",
    good: [tagged],
    alsoGood: [[[], { tagsAll: tags }]],
    bad: [
      [
        [["tags"], { owner: "team-search", "cost-center": "" }],
        /tags: without the tags environment, cost-center/,
      ],
      [[["tags"], undefined], /owner, environment, cost-center/],
    ],
    unknown: [
      [["tags", "owner"], "enough"],
      [["tags"], "undecided"],
    ],
    config: [
      [{ tags: ["team"] }, nothing, /without the tag team/],
      [{ tags: [] }, [["tags"], undefined], undefined],
    ],
  },
  {
    rule: "bench-ttl",
    environment: "bench",
    good: [short],
    bad: [
      [[["tags", "ttl"], undefined], /tags\.ttl: missing/],
      [[["tags", "ttl"], "soon"], /soon is no time to live/],
      [[["tags", "ttl"], "5d"], /5d is longer than 72 hours/],
    ],
    unknown: [
      [["tags", "ttl"], "undecided"],
      [["tags", "owner"], "enough"],
    ],
    config: [[{ maxHours: 4 }, nothing, /8h is longer than 4 hours/]],
  },
  {
    rule: "bench-deletable",
    environment: "bench",
    good: [aws("s3/bucket:Bucket", { forceDestroy: true })],
    bad: [[[["forceDestroy"], false], /only when it is empty/]],
    unknown: [[["forceDestroy"], "undecided"]],
  },
  {
    rule: "bench-deletable",
    environment: "bench",
    good: [aws("secretsmanager/secret:Secret", { recoveryWindowInDays: 0 })],
    bad: [[[["recoveryWindowInDays"], 30], /stays taken/]],
    unknown: [[["recoveryWindowInDays"], "undecided"]],
  },
  {
    rule: "bench-deletable",
    environment: "bench",
    good: [aws("lb/loadBalancer:LoadBalancer", {})],
    bad: [[[["enableDeletionProtection"], true], /AWS refuses/]],
    unknown: [[["enableDeletionProtection"], "undecided"]],
  },
  {
    rule: "cost-ceiling",
    good: [stack, nodeGroup],
    bad: [],
    unknown: [[["outputs"], "enough"]],
    config: [
      [
        { maxHourlyCost: 50 },
        nothing,
        /up to \$54\.89 an hour \(\$40073 a month\), and the ceiling is \$50\.00; most of it is example/,
      ],
      [{ maxHourlyCost: 60 }, nothing, undefined],
    ],
  },
  {
    rule: "prod-protected",
    good: [{ ...bucket, isProtected: true }],
    bad: [],
    unknown: [[["bucket"], "enough"]],
  },
];

export const openBucket = [bucket, openBlock] as const;
