import path from "node:path";
import { parseArgs } from "node:util";
import { FolderStore } from "../components/repository/folder-store.ts";
import { publish, sweep } from "../components/repository/publish.ts";
import { repositoryBytes, type ServerPlan } from "../core/platform.ts";
import { entriesIn, entryKey, entryPrefix } from "../core/repository/layout.ts";
import type { Bytes } from "../core/spec/units.ts";
import { spoken } from "./files/spoken.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { runSteps } from "./setup/steps.ts";
import { UserError } from "./setup/user-error.ts";
import { readStack } from "./stack/config.ts";
import { planStack } from "./stack/kubernetes.ts";

const usage = `npm run publish -- <folder> --stack <stack> [--retain <n>]
  --stack <stack>  whose servers' repositories are written: Pulumi.<stack>.yaml
  --retain <n>     afterwards removes all but each server's current repository and the n before it, 0 to 1000`;

/**
 * `npm run publish -- <folder> --stack <stack>`: writes the model repositories of a stack's servers into a folder that
 * pods will read: a mounted volume, or what becomes an image of files. What is there already is not written again; one
 * that was stopped goes on. One at a time: two would write the same files.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { stack: { type: "string" }, retain: { type: "string" } },
  });
  const [folder] = positionals;
  const { stack } = values;
  if (folder === undefined || positionals.length > 1 || stack === undefined)
    throw new UserError("One folder and --stack are needed", usage);
  const retain = values.retain === undefined ? undefined : retainFrom(values.retain);

  const servers = plannedServers(stack);
  const target = userPath(folder);
  const store = new FolderStore(target);
  const owner = `triton-platform/${stack}`;
  await spoken(() =>
    writingTo(target, async () => {
      await runSteps(
        servers.map((server) => ({
          title: titleOf(server),
          run: (report) => publishServer(store, server, owner, report),
        })),
      );
      if (retain !== undefined) await sweep(store, [...(await store.list("")).keys()], () => retain + 1);
    }),
  );
  console.log(path.resolve(target));
}

/** Every problem of the stack is refused before anything is written. */
function plannedServers(stack: string): readonly ServerPlan[] {
  const read = readStack(stack);
  const { target } = read.config;
  if (target !== "kubernetes")
    throw new UserError(
      `The stack \`${stack}\` runs on the target ${target}, whose pods read no folder`,
      "name a stack with the target kubernetes",
    );
  return planStack(read).platform.servers;
}

async function publishServer(
  store: FolderStore,
  { name, repository, config: { rollback } }: ServerPlan,
  owner: string,
  report: (text: string) => void,
): Promise<void> {
  const hash = rollback ?? repository.hash;
  const [current] = entriesIn([...(await store.list(`${entryPrefix}${name}/`)).keys()]);
  let written = 0;
  await publish(
    store,
    {
      server: name,
      hash,
      files: rollback === undefined ? repository.files : undefined,
      entry: current?.hash === hash ? current.key : entryKey(name, new Date(), hash),
      owner,
      tree: false,
    },
    (bytes) => {
      written += bytes;
      report(`${mebibytes(written)} written`);
    },
  );
}

function titleOf({ name, repository, config: { rollback } }: ServerPlan): string {
  if (rollback !== undefined) return `${name}: back to ${rollback.slice(0, 16)}`;
  return `${name}: ${String(repository.files.length)} files, ${mebibytes(repositoryBytes(repository))}`;
}

function mebibytes(bytes: Bytes): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function retainFrom(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) <= 1_000) return Number(text);
  throw new UserError(`\`--retain ${text}\` is no number from 0 to 1000`, "write it like --retain 10");
}
