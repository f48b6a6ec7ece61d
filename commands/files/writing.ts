import { UserError } from "../setup/user-error.ts";

/** Writes into a folder that a user named with --out; what the file system has against it is for the user to mend. */
export async function writingTo<T>(folder: string, write: () => T | Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new UserError(
      `${folder} cannot be written: ${error.message}`,
      "mend that, or name another folder with --out",
      { cause: error },
    );
  }
}
