import { StoreError } from "../../components/repository/store.ts";
import { UserError } from "../setup/user-error.ts";

/** What is wrong with a store, or with what is read from one, is the user's to mend. */
export async function spoken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new UserError(error.problem, error.hint, { cause: error });
  }
}
