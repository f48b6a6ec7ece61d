import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { markVariable } from "../../../core/local/mark.ts";
import { isRunning } from "../../processes.ts";
import { killMarked, markOf } from "../marks.ts";
import { removeRemains } from "../remains.ts";
import { layout, supervisorctl, until, type SupervisorPlace } from "../supervised.ts";
import type { Handler } from "../../provider/handler.ts";

export const supervisorSchema = z.object({
  /** Absolute folder of the running platform. */
  directory: z.string(),
  /** Folder with the executables `supervisord` and `supervisorctl`. */
  bin: z.string(),
});

/** Unix sockets have room for 107 bytes of path, and HAProxy appends a suffix while it binds. */
const longestSocketPath = 90;

/** supervisord itself: it keeps the platform's processes running after the command that started them has ended. */
export const supervisorHandler: Handler<SupervisorPlace> = {
  schema: supervisorSchema,
  replaceOn: ["directory"],
  id: (inputs) => inputs.directory,
  create: start,
  exists: async (inputs) => (await supervisorctl(inputs, "pid")) !== undefined,
  // Only how it is called can change, and that is in the inputs.
  update: () => Promise.resolve(),
  delete: stop,
};

async function start(place: SupervisorPlace): Promise<void> {
  const files = layout(place.directory);
  if (files.supervisorSocket.length > longestSocketPath) {
    throw new Error(
      `${files.supervisorSocket} is too long for a Unix socket (${String(longestSocketPath)} characters at most): ` +
        "move the project, or set triton-platform:local.directory to a shorter absolute path",
    );
  }
  await mkdir(files.programs, { recursive: true, mode: 0o700 });
  await mkdir(files.logs, { recursive: true });
  if ((await supervisorctl(place, "pid")) !== undefined) return;
  // What a killed supervisor leaves: programs it would start by itself, and their processes.
  await killMarked(markOf(place.directory));
  await rm(files.programs, { recursive: true, force: true });
  await mkdir(files.programs, { mode: 0o700 });
  await writeFile(files.supervisorConfig, supervisorConfig(place));
  await execa(path.join(place.bin, "supervisord"), ["-c", files.supervisorConfig], {
    cwd: place.directory,
    env: { ...inherited(), [markVariable]: markOf(place.directory, "supervisord") },
    extendEnv: false,
  });
  const answer = await until(10, () => supervisorctl(place, "pid"));
  if (answer === undefined) throw new Error(`supervisord does not answer; see ${files.log("supervisord")}`);
}

/** What the processes get of the environment of whoever starts them: no keys, no library paths. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE"];
  const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
  return Object.fromEntries(
    [...names, ...proxies].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** `%` is supervisor's own escape. */
function supervisorConfig(place: SupervisorPlace): string {
  const files = layout(place.directory);
  const escaped = (text: string): string => text.replaceAll("%", "%%");
  return `[unix_http_server]
file=${escaped(files.supervisorSocket)}
chmod=0600

[supervisord]
logfile=${escaped(files.log("supervisord"))}
pidfile=${escaped(path.join(place.directory, "run", "supervisord.pid"))}
childlogdir=${escaped(files.logs)}
minfds=1024
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://${escaped(files.supervisorSocket)}

[include]
files = ${escaped(path.join(files.programs, "*.conf"))}
`;
}

async function stop(place: SupervisorPlace): Promise<void> {
  const pid = Number(await supervisorctl(place, "pid"));
  if (Number.isInteger(pid) && pid > 0) {
    await supervisorctl(place, "shutdown");
    await until(60, () => Promise.resolve(isRunning(pid) ? undefined : true));
  }
  await removeRemains(place.directory);
}
