import { S3ServiceException } from "@aws-sdk/client-s3";
import { StoreError } from "./store.ts";

/** What an error of S3 means, by its name, its code and those of its causes. */
export interface Explanation {
  readonly signs: RegExp;
  /** `{bucket}` and `{where}`, the endpoint or region, are filled in. */
  readonly problem: string;
  readonly hint: string;
}

interface Place {
  readonly bucket: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

/** An error of the SDK as one message: the object, what is wrong, what to mend. The first that fits of `explanations`. */
export function explained(
  error: unknown,
  name: string,
  { bucket, region, endpoint }: Place,
  explanations: readonly Explanation[],
): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const where = endpoint ?? (region === undefined ? "Amazon S3" : `region ${region}`);
  const known = [...explanations, ...general].find(({ signs }) => signs.test(signsOf(error)));
  const { problem, hint } = known ?? {
    problem: `${error.name}: ${error.message}`,
    hint: "mend what the store reports and run the command again; it goes on where it stopped",
  };
  const fill = (text: string): string => text.replaceAll("{bucket}", bucket).replaceAll("{where}", where);
  return new StoreError(`${name} (${where}): ${fill(problem)}`, fill(hint), { cause: error });
}

/** Name, code and status of an error, and those of its causes. */
function signsOf(error: Error): string {
  const causes = error instanceof AggregateError ? error.errors : [error.cause];
  return [
    error.name,
    "code" in error ? String(error.code) : "",
    statusOf(error),
    ...causes.filter((cause) => cause instanceof Error).map(signsOf),
  ].join(" ");
}

/** Of an answer. To HEAD there is nothing else: it has no body. */
function statusOf(error: Error): string {
  return error instanceof S3ServiceException ? String(error.$metadata.httpStatusCode) : "";
}

/** What is of the machine, whatever S3 it asks. */
const general: readonly Explanation[] = [
  {
    signs: /CredentialsProviderError|TokenProviderError/,
    problem: "this machine has no AWS credentials",
    hint: "set AWS_PROFILE, log in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  },
  {
    signs: /InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed/,
    problem: "the store does not take this machine's credentials",
    hint: "log in anew, check AWS_PROFILE and the keys (echo $AWS_ACCESS_KEY_ID), and this machine's clock",
  },
  {
    signs: /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/,
    problem: "the certificate of {where} is not trusted here",
    hint: "name its authority's certificate in NODE_EXTRA_CA_CERTS",
  },
];
