import * as z from "zod";
import { entryKey } from "../../../core/repository/layout.ts";
import type { Handler } from "../../provider/handler.ts";
import { oneAtATime } from "../../provider/one-at-a-time.ts";
import { repositoryContent } from "../../repository/content-schema.ts";
import { onMachine } from "../../repository/project-files.ts";
import { isPublished, publish, rename, retire } from "../../repository/publish.ts";
import { VolumeStore } from "../volume-store.ts";
import { OpenVolume } from "../volume.ts";

export const modelRepositorySchema = z.object({
  /** Docker's address. */
  host: z.string(),
  /** Docker's name of the volume, all of which belongs to this stack. */
  volume: z.string(),
  /** An image with a shell. */
  image: z.string(),
  ...repositoryContent,
});

type ModelRepositoryInputs = z.output<typeof modelRepositorySchema>;

/** One at a time: what two share is sent once, and no sweep meets an upload. */
const inTurn = oneAtATime();

/**
 * A server's repository in a volume of a Docker host, laid out as a tree that never changes. Its id is the key of the
 * server's entry for it, which has the time: the same content published again is another one, so that the removal of the
 * earlier never takes the later.
 */
export const modelRepositoryHandler: Handler<ModelRepositoryInputs> = {
  schema: modelRepositorySchema,
  replaceOn: ["host", "volume", "server", "hash"],
  onlyToCreate: ["files"],
  id: ({ server, hash }) => entryKey(server, new Date(), hash),
  create: (inputs, entry) =>
    inStore(inputs, async (store) => {
      const files = inputs.files?.map(onMachine);
      await publish(store, { ...inputs, files, entry, tree: true });
    }),
  exists: (inputs) => inStore(inputs, (store) => isPublished(store, { hash: inputs.hash, tree: true })),
  update: (olds, news) => inStore(news, (store) => rename(store, olds.owner, news.owner)),
  delete: (inputs, entry) => inStore(inputs, (store) => retire(store, { ...inputs, entry })),
};

function inStore<T>(inputs: ModelRepositoryInputs, work: (store: VolumeStore) => Promise<T>): Promise<T> {
  return inTurn(() => OpenVolume.use(inputs, (volume) => work(new VolumeStore(volume, inputs.volume))));
}
