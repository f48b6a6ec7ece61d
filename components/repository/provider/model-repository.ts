import * as z from "zod";
import { entryKey } from "../../../core/repository/layout.ts";
import type { Handler } from "../../provider/handler.ts";
import { oneAtATime } from "../../provider/one-at-a-time.ts";
import { repositoryContent } from "../content-schema.ts";
import { onMachine } from "../project-files.ts";
import { isPublished, publish, rename, retire } from "../publish.ts";
import { S3Store } from "../s3-store.ts";

export const modelRepositorySchema = z.object({
  bucket: z.string(),
  /** Folder in the bucket, without slashes at its ends: all of it belongs to this stack. */
  prefix: z.string(),
  region: z.string(),
  /** Another S3 than Amazon's, as this machine reaches it. */
  endpoint: z.string().optional(),
  ...repositoryContent,
  /** `triton`: it is laid out as a tree too, which Triton reads itself. */
  delivery: z.enum(["loader", "triton"]),
});

type ModelRepositoryInputs = z.output<typeof modelRepositorySchema>;

/** One at a time: what two share is sent once, and no sweep meets an upload. */
const inTurn = oneAtATime();

/**
 * A server's repository in a bucket. Its id is the key of the server's entry for it, which has the time: the same content
 * published again is another one, so that the removal of the earlier never takes the later.
 */
export const modelRepositoryHandler: Handler<ModelRepositoryInputs> = {
  schema: modelRepositorySchema,
  replaceOn: ["bucket", "prefix", "server", "hash", "delivery"],
  onlyToCreate: ["files"],
  id: ({ server, hash }) => entryKey(server, new Date(), hash),
  create: (inputs, entry) =>
    inTurn(async () => {
      const files = inputs.files?.map(onMachine);
      await publish(new S3Store(inputs), { ...inputs, files, entry, tree: inputs.delivery === "triton" });
    }),
  exists: (inputs) =>
    isPublished(new S3Store(inputs), { hash: inputs.hash, tree: inputs.delivery === "triton" }),
  update: (olds, news) => inTurn(() => rename(new S3Store(news), olds.owner, news.owner)),
  delete: (inputs, entry) => inTurn(() => retire(new S3Store(inputs), { ...inputs, entry })),
};
