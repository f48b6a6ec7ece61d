import * as z from "zod";
import { s3ObjectSchema } from "../../core/spec/s3-object.ts";

/** What every repository that a provider keeps says of itself, wherever its store is. */
export const repositoryContent = {
  /** Name of the server group. */
  server: z.string(),
  /** Of the repository: the sha256 of its manifest. */
  hash: z.string(),
  /** What it consists of; left out where it must be there already. */
  files: z
    .array(
      z.object({
        path: z.string(),
        bytes: z.number(),
        sha256: z.string(),
        /** A file's path is relative to the project; an object in S3 need not be on any machine. */
        from: z.union([
          z.object({ content: z.string() }),
          z.object({ file: z.string() }),
          z.object({ s3: s3ObjectSchema }),
        ]),
      }),
    )
    .optional(),
  /** Repositories of the server that stay besides the current one. */
  retain: z.number().int(),
  /** The stack, as `project/stack`. */
  owner: z.string(),
};
