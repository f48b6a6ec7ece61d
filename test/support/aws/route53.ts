import { AwsError, type ResourceTypes } from "./resource.ts";
import { requiredText } from "./values.ts";

export const route53Types: ResourceTypes = {
  "aws:route53/record:Record": {
    source: "internal/service/route53/record.go",
    forceNew: [],
    kept: ["allowOverwrite"],
    exclusive: [
      ["aliases", "records"],
      ["aliases", "ttl"],
    ],
    oneOf: [["aliases", "records"]],
    validate: (inputs) =>
      inputs.records !== undefined && inputs.ttl === undefined
        ? [{ property: "ttl", reason: "records need it" }]
        : [],
    id: ({ inputs }) =>
      `${requiredText(inputs, "zoneId")}_${requiredText(inputs, "name")}_${requiredText(inputs, "type")}`,
    create: ({ account, inputs }) => {
      const zoneId = requiredText(inputs, "zoneId");
      const domain = account.settings.hostedZones[zoneId];
      if (domain === undefined)
        throw new AwsError("NoSuchHostedZone", `No hosted zone found with ID: ${zoneId}`);
      const name = requiredText(inputs, "name");
      // Source: Route 53 API, ChangeResourceRecordSets; the provider completes a name that is not in the zone.
      const fqdn = name === domain || name.endsWith(`.${domain}`) ? name : `${name}.${domain}`;
      return { fqdn, allowOverwrite: inputs.allowOverwrite ?? false };
    },
  },
};
