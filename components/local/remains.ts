import { rm } from "node:fs/promises";
import path from "node:path";
import { sharedMemoryName } from "../../core/local/plan.ts";
import { killMarked, markOf } from "./marks.ts";
import { removeSharedMemory } from "./shared-memory.ts";

/** Folders of a running platform; nothing in them outlives it. */
const folders = ["run", "logs", "repositories", "blobs"] as const;

/** Ends every process of a platform and removes its folders, whatever the engine's state knows of them. */
export async function removeRemains(directory: string): Promise<void> {
  await killMarked(markOf(directory));
  await removeSharedMemory(sharedMemoryName(directory));
  for (const folder of folders) await rm(path.join(directory, folder), { recursive: true, force: true });
}
