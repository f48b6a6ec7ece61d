import { arn } from "./ec2.ts";
import { AwsError, oneOfValues, rule, type ResourceTypes } from "./resource.ts";
import { isRecord, records, requiredText, text } from "./values.ts";

const repository = "aws:ecr/repository:Repository";

/** Source: ECR user guide, "Lifecycle policy parameters". */
function lifecycleReasons(policy: string): string[] {
  const document: unknown = JSON.parse(policy);
  const rules = isRecord(document) ? records(document, "rules") : [];
  if (rules.length === 0) return ["there are no rules"];
  const priorities = rules.map(({ rulePriority }) => rulePriority);
  return [
    ...(new Set(priorities).size < rules.length ? ["two rules have one rulePriority"] : []),
    ...rules.flatMap((one) => [
      ...(typeof one.rulePriority === "number" ? [] : ["rulePriority is missing"]),
      ...(["tagged", "untagged", "any"].includes(text(one, "selection.tagStatus") ?? "")
        ? []
        : ["selection.tagStatus"]),
      ...(["imageCountMoreThan", "sinceImagePushed", "sinceImagePulled"].includes(
        text(one, "selection.countType") ?? "",
      )
        ? []
        : ["selection.countType"]),
      ...(text(one, "action.type") === "expire" ? [] : ["action.type"]),
    ]),
  ];
}

export const ecrTypes: ResourceTypes = {
  [repository]: {
    source: "internal/service/ecr/repository.go",
    forceNew: [],
    autoname: { property: "name", max: 256 },
    defaults: { imageTagMutability: "MUTABLE" },
    validate: (inputs) => [
      // Source: ECR API, CreateRepository.
      ...rule(
        "name",
        text(inputs, "name"),
        (name) =>
          name.length >= 2 &&
          name.length <= 256 &&
          /^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*\/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(name),
        "lower-case letters, digits and ._-/, 2 to 256",
      ),
      ...oneOfValues("imageTagMutability", text(inputs, "imageTagMutability"), [
        "MUTABLE",
        "IMMUTABLE",
        "IMMUTABLE_WITH_EXCLUSION",
        "MUTABLE_WITH_EXCLUSION",
      ]),
    ],
    id: ({ inputs }) => requiredText(inputs, "name"),
    create: (scene) => ({
      arn: arn(scene, "ecr", `repository/${scene.id}`),
      registryId: scene.account.settings.id,
      repositoryUrl: `${scene.account.settings.id}.dkr.ecr.${scene.region}.amazonaws.com/${scene.id}`,
    }),
    remove: (account, { id, properties }) => {
      if ((account.settings.objects[id] ?? 0) > 0 && properties.forceDelete !== true)
        throw new AwsError(
          "RepositoryNotEmptyException",
          `The repository with name '${id}' in registry with id '${account.settings.id}' cannot be deleted because it still contains images`,
        );
    },
  },
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": {
    source: "internal/service/ecr/lifecycle_policy.go",
    forceNew: ["repository"],
    validate: (inputs) => {
      const policy = text(inputs, "policy");
      return policy === undefined
        ? []
        : lifecycleReasons(policy).map((reason) => ({ property: "policy", reason }));
    },
    references: [
      {
        path: "repository",
        type: repository,
        missing: ["RepositoryNotFoundException", "The repository with name '{}' does not exist"],
      },
    ],
    id: ({ inputs }) => requiredText(inputs, "repository"),
    create: ({ account }) => ({ registryId: account.settings.id }),
  },
};
