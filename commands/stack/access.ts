import { statSync } from "node:fs";
import { readKeyFile } from "../files/key-file.ts";
import { userPath } from "../files/user-path.ts";
import { UserError } from "../setup/user-error.ts";

/** How a client gets past a stack's balancer. What is secret is in files: arguments and environments are seen by others. */
export interface Access {
  readonly apiKey?: string;
  /** PEM files: who signed the balancer's certificate, where the usual authorities did not, and a client's own. */
  readonly tls: { readonly ca?: string; readonly certificate?: string; readonly key?: string };
}

/** What to do where the balancer's certificate, or a client's, is not believed. */
export const certificateHint =
  "name the authorities that signed the balancer's certificate with --ca, and a client's own certificate with --cert and --key where it asks for one";

/** Options of commands that call a balancer, for `parseArgs`. */
export const accessOptions = {
  /** The file holds the key and nothing else. Default: the file that `TRITON_PLATFORM_API_KEY_FILE` names. */
  "api-key-file": { type: "string" },
  ca: { type: "string" },
  cert: { type: "string" },
  key: { type: "string" },
} as const;

/** Throws where a file is not there or holds no key. */
export function readAccess(
  values: Readonly<Partial<Record<keyof typeof accessOptions, string>>>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Access {
  const { ca, cert, key } = values;
  if ((cert === undefined) !== (key === undefined))
    throw new UserError("A client's certificate is --cert and --key together", "name both files, or neither");
  const apiKeyFile = values["api-key-file"] ?? env.TRITON_PLATFORM_API_KEY_FILE;
  return {
    ...(apiKeyFile === undefined ? {} : { apiKey: readKeyFile(userPath(apiKeyFile), mendOfKey) }),
    tls: {
      ...(ca === undefined ? {} : { ca: file(ca, "--ca") }),
      ...(cert === undefined || key === undefined
        ? {}
        : { certificate: file(cert, "--cert"), key: file(key, "--key") }),
    },
  };
}

const mendOfKey = "write the key that npm run api-key has shown into it, and nothing else";

function file(given: string, option: string): string {
  const place = userPath(given);
  if (statSync(place, { throwIfNoEntry: false })?.isFile() === true) return place;
  throw new UserError(`There is no file ${place}, which ${option} names`, "name a PEM file");
}
