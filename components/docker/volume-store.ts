import path from "node:path";
import type { Bytes } from "../../core/spec/units.ts";
import type { Store } from "../repository/store.ts";
import type { OpenVolume } from "./volume.ts";

/** A store in a volume of a Docker host. Files that repositories share are hard links of one. */
export class VolumeStore implements Store {
  constructor(
    private readonly volume: OpenVolume,
    private readonly volumeName: string,
  ) {}

  name(key = ""): string {
    return `${this.volumeName}:/${key}`;
  }

  async list(prefix: string): Promise<ReadonlyMap<string, Bytes>> {
    const folder = prefix === "" ? "." : prefix;
    const script = `[ -d "$1" ] || exit 0; find "$1" -type f ! -name "*${unfinished}" -exec stat -c "%s %n" {} +`;
    const listed = await this.volume.shell(script, [folder]);
    const lines = listed.split("\n").filter(Boolean);
    return new Map(
      lines.map((line): [string, Bytes] => {
        const space = line.indexOf(" ");
        return [path.posix.normalize(line.slice(space + 1)), Number(line.slice(0, space))];
      }),
    );
  }

  async read(key: string): Promise<string | undefined> {
    // The first character tells a file that is empty from one that is not there.
    const text = await this.volume.shell(`[ -f "$1" ] || exit 0; echo; cat "$1"`, [key]);
    return text === "" ? undefined : text.slice(1);
  }

  async write(key: string, text: string): Promise<void> {
    await this.#whole(key, 'cat > "$2"', [], text);
  }

  async upload(key: string, content: AsyncIterable<Buffer>, bytes: Bytes): Promise<void> {
    // Cut off here or on the way, it is not as long as it should be.
    const script = `cat > "$2"; [ "$(stat -c %s "$2")" = "$3" ]`;
    await this.#whole(key, script, [String(bytes)], content);
  }

  async copy(from: string, to: string): Promise<void> {
    await this.#whole(to, 'ln "$3" "$2"', [from]);
  }

  /** What lies in S3 comes through the machine that deploys: a volume's helper has no network of its own. */
  take(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async remove(key: string): Promise<void> {
    // The last one leaves no empty folders behind.
    await this.volume.shell('rm -f "$1"; rmdir -p "$(dirname "$1")" 2>/dev/null || true', [key]);
  }

  /** Made beside its place (`$2`) and renamed into it: what is there is whole. */
  async #whole(
    key: string,
    script: string,
    args: readonly string[],
    input?: string | AsyncIterable<Buffer>,
  ): Promise<void> {
    const steps = `mkdir -p "$(dirname "$1")"; rm -f "$2"; ${script}; mv -f "$2" "$1"`;
    await this.volume.shell(steps, [key, `${key}${unfinished}`, ...args], input);
  }
}

/** What a killed run leaves has this name; the next one writes it anew. */
const unfinished = ".unfinished";
