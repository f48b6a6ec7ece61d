import { readFileSync, statSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import { UserError } from "../setup/user-error.ts";

/**
 * The API key in a file, as a header takes it. `mend` says what belongs into the file. No message shows what else is in it.
 * Throws where there is no file or no key in it.
 */
export function readKeyFile(place: string, mend: string): string {
  if (statSync(place, { throwIfNoEntry: false })?.isFile() !== true)
    throw new UserError(`There is no file ${place} with an API key`, mend);
  const key = textOf(place).trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UserError(`${place} ${key === "" ? "is empty" : "holds more than one API key"}`, mend);
}

function textOf(place: string): string {
  try {
    return readFileSync(place, "utf8");
  } catch (error) {
    throw new UserError(
      `${place} cannot be read: ${messageOf(error)}`,
      "name a file that this user may read",
      {
        cause: error,
      },
    );
  }
}
