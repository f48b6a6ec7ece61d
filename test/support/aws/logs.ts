import { arn } from "./ec2.ts";
import { keyOf, letsService } from "./kms.ts";
import { AwsError, rule, type ResourceTypes, type Scene } from "./resource.ts";
import { numberAt, requiredText, text } from "./values.ts";

export const logGroup = "aws:cloudwatch/logGroup:LogGroup";

/** Source: CloudWatch Logs API, PutRetentionPolicy; 0 is the provider's word for ever. */
const retentions = [
  ...[
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
    3653,
  ],
];

/** Source: CloudWatch Logs user guide, "Encrypt log data": the key's policy must name the region's service. */
function demandKey({ account, region, inputs }: Scene): void {
  const name = text(inputs, "kmsKeyId");
  if (name === undefined) return;
  if (keyOf(account, name) === undefined || !letsService(account, name, `logs.${region}.amazonaws.com`))
    throw new AwsError(
      "AccessDeniedException",
      `The specified KMS key does not exist or is not allowed to be used with Arn '${arn({ account, region }, "logs", `log-group:${requiredText(inputs, "name")}`)}'`,
    );
}

export const logTypes: ResourceTypes = {
  [logGroup]: {
    source: "internal/service/logs/group.go",
    forceNew: [],
    autoname: { property: "name", max: 512 },
    kept: ["logGroupClass", "deletionProtectionEnabled"],
    defaults: { retentionInDays: 0, skipDestroy: false },
    validate: (inputs) => [
      ...rule(
        "name",
        text(inputs, "name"),
        (name) => /^[.\-_/#A-Za-z0-9]{1,512}$/.test(name),
        "letters, digits and .-_/#, at most 512",
      ),
      ...(retentions.includes(numberAt(inputs, "retentionInDays") ?? 0)
        ? []
        : [{ property: "retentionInDays", reason: `expected one of ${retentions.join(", ")}` }]),
    ],
    id: ({ inputs }) => requiredText(inputs, "name"),
    create: (scene) => {
      demandKey(scene);
      return {
        arn: arn(scene, "logs", `log-group:${scene.id}`),
        ...{
          logGroupClass: "STANDARD",
          deletionProtectionEnabled: scene.inputs.deletionProtectionEnabled ?? false,
        },
      };
    },
    update: (scene) => {
      demandKey(scene);
      return {};
    },
    remove: (_account, { id, properties }) => {
      if (properties.deletionProtectionEnabled === true)
        throw new AwsError("InvalidOperationException", `The log group ${id} has deletion protection`);
    },
  },
};
