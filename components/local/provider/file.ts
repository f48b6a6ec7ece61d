import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import type { Handler } from "../../provider/handler.ts";

export const fileSchema = z.object({
  /** Absolute. */
  path: z.string(),
  content: z.string(),
  /** Permissions, as in 0o600. */
  mode: z.number().int(),
  /** A program that judges the file before it takes the place of the old one; `{}` stands for the file. */
  validate: z.array(z.string()).optional(),
});

type FileInputs = z.output<typeof fileSchema>;

/** A file with given content. It appears whole or not at all, and only after its check. */
export const fileHandler: Handler<FileInputs> = {
  schema: fileSchema,
  replaceOn: ["path"],
  id: (inputs) => inputs.path,
  create: write,
  exists: async (inputs) => {
    try {
      return (await readFile(inputs.path, "utf8")) === inputs.content;
    } catch {
      return false;
    }
  },
  update: (_olds, news) => write(news),
  delete: (inputs) => rm(inputs.path, { force: true }),
};

async function write({ path: target, content, mode, validate }: FileInputs): Promise<void> {
  const fresh = `${target}.new`;
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(fresh, content, { mode });
  const [program, ...args] = validate ?? [];
  if (program !== undefined) {
    const { exitCode, stderr, stdout } = await execa(
      program,
      args.map((arg) => arg.replace("{}", fresh)),
      { reject: false },
    );
    if (exitCode !== 0) {
      await rm(fresh, { force: true });
      throw new Error(
        `${target} was left as it was, since ${path.basename(program)} refuses the new content:\n${stderr || stdout}`,
      );
    }
  }
  await rename(fresh, target);
}
