import * as z from "zod";
import { labels } from "../../../core/docker/names.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Handler } from "../../provider/handler.ts";
import { DockerCli } from "../cli.ts";
import { OpenVolume } from "../volume.ts";

export const filesSchema = z.object({
  /** Docker's address. */
  host: z.string(),
  /** Docker's name of the volume. */
  volume: z.string(),
  /** Where the service has the volume: files may name each other by that. */
  place: z.string(),
  /** An image with a shell, and with what the files are checked by. */
  image: z.string(),
  files: z.array(
    z.object({
      /** Relative to the volume. */
      path: z.string(),
      content: z.string(),
      /** Permissions, as in 0o600. */
      mode: z.number().int(),
      /** Number of the user and the group that it belongs to. */
      owner: z.number().int(),
      /** A program that judges the file before it takes the place of the old one; `{}` stands for the file. */
      check: z.array(z.string()).optional(),
    }),
  ),
  /** Which of the stack's services is told of a change, and how; none where left out. */
  reload: z.object({ stack: z.string(), service: z.string(), signal: z.string() }).optional(),
});

type FilesInputs = z.output<typeof filesSchema>;
type FileInputs = FilesInputs["files"][number];

/** All files of a volume. Each appears whole or not at all, and only after its check. */
export const filesHandler: Handler<FilesInputs> = {
  schema: filesSchema,
  replaceOn: ["host", "volume"],
  id: (inputs) => inputs.volume,
  create: (inputs) => write(inputs),
  exists: (inputs) =>
    OpenVolume.use(inputs, async (volume) => {
      for (const { path, content } of inputs.files) {
        // The first character tells a file that is empty from one that is not there.
        const text = await volume.shell(`[ -f "$1" ] || exit 0; echo; cat "$1"`, [path]);
        if (text !== `\n${content}`) return false;
      }
      return true;
    }),
  update: (olds, news) => {
    const kept = new Set(news.files.map(({ path }) => path));
    return write(
      news,
      olds.files.filter(({ path }) => !kept.has(path)).map(({ path }) => path),
    );
  },
  // They go with their volume.
  delete: () => Promise.resolve(),
};

async function write(inputs: FilesInputs, gone: readonly string[] = []): Promise<void> {
  // What is checked may name what is not.
  const files = [...inputs.files].sort(
    (a, b) => Number(a.check !== undefined) - Number(b.check !== undefined),
  );
  await OpenVolume.use(
    inputs,
    async (volume) => {
      for (const file of files) await writeOne(volume, file);
      for (const path of gone) await volume.shell('rm -f "$1"', [path]);
    },
    inputs.place,
  );
  if (inputs.reload !== undefined) await reload(inputs.host, inputs.reload);
}

async function writeOne(
  volume: OpenVolume,
  { path, content, mode, owner, check }: FileInputs,
): Promise<void> {
  const fresh = `${path}.new`;
  const steps = 'mkdir -p "$(dirname "$1")"; umask 077; cat > "$2"; chown "$3:$3" "$2"; chmod "$4" "$2"';
  const attributes = [String(owner), mode.toString(8)];
  await volume.shell(steps, [path, fresh, ...attributes], content);
  if (check !== undefined) {
    try {
      await volume.shell(
        '"$@"',
        check.map((word) => word.replace("{}", fresh)),
      );
    } catch (error) {
      await volume.shell('rm -f "$1"', [fresh]);
      throw new Error(
        `${path} was left as it was, since ${check[0] ?? ""} refuses the new content:\n${messageOf(error)}`,
        { cause: error },
      );
    }
  }
  await volume.shell('mv -f "$1" "$2"', [fresh, path]);
}

/** The service need not run yet: then it reads them at its start. */
async function reload(
  host: string,
  { stack, service, signal }: NonNullable<FilesInputs["reload"]>,
): Promise<void> {
  const docker = new DockerCli(host);
  const running = await docker.find({ [labels.stack]: stack, [labels.service]: service }, "status=running");
  if (running.length > 0) await docker.run(["kill", `--signal=${signal}`, ...running]);
}
