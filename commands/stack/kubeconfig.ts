import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Work with a kubeconfig as a file, which goes afterwards; without one where there is none. That of a cluster on AWS holds no
 * secret: the AWS CLI gives the tokens.
 */
export async function withKubeconfig<T>(
  text: string | undefined,
  work: (file: string | undefined) => Promise<T>,
): Promise<T> {
  if (text === undefined) return work(undefined);
  const folder = mkdtempSync(path.join(tmpdir(), "kubeconfig-"));
  try {
    const file = path.join(folder, "kubeconfig");
    writeFileSync(file, text, { mode: 0o600 });
    return await work(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
