import { ec2Types } from "./ec2.ts";
import { ecrTypes } from "./ecr.ts";
import { eksTypes } from "./eks.ts";
import { iamTypes } from "./iam.ts";
import { kmsTypes } from "./kms.ts";
import { logTypes } from "./logs.ts";
import type { ResourceTypes } from "./resource.ts";
import { route53Types } from "./route53.ts";
import { s3Types } from "./s3.ts";
import { secretTypes } from "./secrets.ts";

/** All that the simulated AWS knows. */
export const resourceTypes: ResourceTypes = {
  ...{ ...ec2Types, ...iamTypes, ...kmsTypes, ...logTypes, ...eksTypes },
  ...{ ...s3Types, ...ecrTypes, ...secretTypes, ...route53Types },
};
