/** Regions of AWS that have EKS, and the partitions they belong to. */

export interface Partition {
  /** First part of an ARN after `arn:`. */
  readonly name: string;
  /** Of the names of services' endpoints. */
  readonly dnsSuffix: string;
}

const partitions = {
  aws: { name: "aws", dnsSuffix: "amazonaws.com" },
  china: { name: "aws-cn", dnsSuffix: "amazonaws.com.cn" },
  government: { name: "aws-us-gov", dnsSuffix: "amazonaws.com" },
} as const satisfies Record<string, Partition>;

/** Source: botocore 1.44.8, `data/endpoints.json`, service `eks`: the partitions of everybody, China and the US government. */
export const regions: readonly string[] = [
  ...["af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"],
  ...["ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"],
  ...["ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1"],
  ...["eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"],
  ...["il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2"],
  ...["us-west-1", "us-west-2", "cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"],
];

export function partitionOf(region: string): Partition {
  if (region.startsWith("cn-")) return partitions.china;
  return region.startsWith("us-gov-") ? partitions.government : partitions.aws;
}
