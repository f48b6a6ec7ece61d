import { createWriteStream } from "node:fs";
import { link, mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Bytes } from "../../core/spec/units.ts";
import { isMissing, type Store } from "./store.ts";

/** A store in a folder: a mounted volume, or what becomes an image. */
export class FolderStore implements Store {
  constructor(private readonly folder: string) {}

  name(key = ""): string {
    return path.join(this.folder, key);
  }

  async list(prefix: string): Promise<ReadonlyMap<string, Bytes>> {
    const below = await readdir(this.name(prefix), { recursive: true, withFileTypes: true }).catch(
      ifMissing([]),
    );
    const files = below.filter((entry) => entry.isFile() && !entry.name.endsWith(unfinished));
    return new Map(
      await Promise.all(
        files.map(async ({ parentPath, name }): Promise<[string, Bytes]> => {
          const file = path.join(parentPath, name);
          return [path.relative(this.folder, file).replaceAll(path.sep, "/"), (await stat(file)).size];
        }),
      ),
    );
  }

  read(key: string): Promise<string | undefined> {
    return readFile(this.name(key), "utf8").catch(ifMissing(undefined));
  }

  write(key: string, text: string): Promise<void> {
    return this.#whole(key, (file) => writeFile(file, text, { flush: true }));
  }

  upload(key: string, content: AsyncIterable<Buffer>): Promise<void> {
    return this.#whole(key, (file) =>
      pipeline(Readable.from(content), createWriteStream(file, { flush: true })),
    );
  }

  copy(from: string, to: string): Promise<void> {
    return this.#whole(to, (file) => link(this.name(from), file));
  }

  take(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async remove(key: string): Promise<void> {
    await rm(this.name(key), { force: true });
    // The last one leaves no empty folders behind.
    for (let folder = path.dirname(key); folder !== "."; folder = path.dirname(folder)) {
      await rmdir(this.name(folder)).catch(() => undefined);
    }
  }

  /** Made beside its place and renamed into it: what is there is whole. */
  async #whole(key: string, make: (file: string) => Promise<void>): Promise<void> {
    const file = this.name(key);
    const fresh = `${file}${unfinished}`;
    await mkdir(path.dirname(file), { recursive: true });
    await rm(fresh, { force: true });
    try {
      await make(fresh);
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
    await rename(fresh, file);
  }
}

/** What a killed run leaves has this name; the next one writes it anew. */
const unfinished = ".unfinished";

function ifMissing<T>(otherwise: T): (error: unknown) => T {
  return (error) => {
    if (isMissing(error)) return otherwise;
    throw error;
  };
}
