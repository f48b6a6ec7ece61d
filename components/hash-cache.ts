import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import type { KnownHashes } from "../core/spec/known-hashes.ts";

/**
 * Hashes of large files by their absolute paths. Another layout has another version: what a version does not understand it
 * takes for nothing.
 */
const cacheSchema = z.object({
  version: z.literal(1),
  files: z.record(z.string(), z.object({ stamp: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) })),
});
type Files = z.output<typeof cacheSchema>["files"];

/**
 * Does what reads models' files with the hashes that are known of them in a checkout, and notes those that come to it, also
 * where the work fails. `project` is the checkout's folder.
 */
export function withKnownHashes<T>(project: string, work: (known: KnownHashes) => T): T {
  const file = path.join(project, ".local", "cache", "hashes.json");
  const cache = new HashCache(file);
  try {
    return work(cache);
  } finally {
    cache.save();
  }
}

/**
 * Known hashes in a file, which is read when the first is asked for. It only saves time: where it is damaged or not there
 * nothing is known, and where it cannot be written nothing is noted.
 */
class HashCache implements KnownHashes {
  #known: ReadonlyMap<string, Files[string]> | undefined;
  readonly #fresh = new Map<string, Files[string]>();

  constructor(private readonly file: string) {}

  find(file: string, stamp: string): string | undefined {
    this.#known ??= readHashes(this.file);
    const found = this.#fresh.get(file) ?? this.#known.get(file);
    return found?.stamp === stamp ? found.sha256 : undefined;
  }

  remember(file: string, stamp: string, sha256: string): void {
    this.#fresh.set(file, { stamp, sha256 });
  }

  /** Of two processes that save at once one may lose what it adds: it is hashed once more then. */
  save(): void {
    if (this.#fresh.size === 0) return;
    // What others have added since is kept; what is gone goes.
    const files = [...new Map([...readHashes(this.file), ...this.#fresh])].filter(([file]) =>
      existsSync(file),
    );
    const unfinished = `${this.file}.${randomUUID()}`;
    try {
      mkdirSync(path.dirname(this.file), { recursive: true });
      writeFileSync(unfinished, JSON.stringify({ version: 1, files: Object.fromEntries(files) }));
      renameSync(unfinished, this.file);
    } catch (error) {
      if (!(error instanceof Error && "syscall" in error)) throw error;
      if (existsSync(unfinished)) rmSync(unfinished, { force: true });
    }
  }
}

function readHashes(file: string): ReadonlyMap<string, Files[string]> {
  try {
    return new Map(Object.entries(cacheSchema.parse(JSON.parse(readFileSync(file, "utf8"))).files));
  } catch {
    return new Map();
  }
}
