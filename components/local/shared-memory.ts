import { readdir, rm } from "node:fs/promises";
import path from "node:path";

/** Where Linux shows POSIX shared memory. */
const folder = "/dev/shm";

/** Removes the shared memory whose names begin so: a killed Triton leaves its own behind. */
export async function removeSharedMemory(prefix: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const left = names.filter((name) => name.startsWith(prefix));
  await Promise.all(left.map((name) => rm(path.join(folder, name), { force: true })));
}
