import { execa } from "execa";
import net from "node:net";
import path from "node:path";

/** Where supervisord of one platform lives and how it is called. */
export interface SupervisorPlace {
  /** Absolute folder of the running platform: sockets, logs, program files. */
  readonly directory: string;
  /** Folder with the executables `supervisord` and `supervisorctl`. */
  readonly bin: string;
}

/** State of one program as `supervisorctl status` prints it. */
export interface ProgramStatus {
  readonly name: string;
  /** STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN. */
  readonly state: string;
  readonly pid?: number;
}

/** Files of a running platform, by the folder they lie in. */
export function layout(directory: string) {
  return {
    supervisorConfig: path.join(directory, "run", "supervisord.conf"),
    supervisorSocket: path.join(directory, "run", "supervisor.sock"),
    programs: path.join(directory, "run", "programs"),
    logs: path.join(directory, "logs"),
    log: (program: string) => path.join(directory, "logs", `${program}.log`),
    program: (name: string) => path.join(directory, "run", "programs", `${name}.conf`),
  };
}

/** Calls supervisorctl; the answer's lines, or undefined where no supervisord listens. */
export async function supervisorctl(place: SupervisorPlace, ...args: string[]): Promise<string | undefined> {
  const config = layout(place.directory).supervisorConfig;
  const { stdout, stderr, exitCode } = await execa(
    path.join(place.bin, "supervisorctl"),
    ["-c", config, ...args],
    {
      reject: false,
    },
  );
  if (exitCode === undefined) {
    throw new Error(`${place.bin}/supervisorctl cannot be run; npm start installs it`);
  }
  const text = `${stdout}\n${stderr}`;
  if (exitCode !== 0 && /no such file|refused connection|\.conf/.test(text)) return undefined;
  return stdout;
}

/** All programs supervisord knows; none where it does not run. */
export async function programStatuses(place: SupervisorPlace): Promise<ProgramStatus[]> {
  const answer = (await supervisorctl(place, "status")) ?? "";
  return answer.split("\n").flatMap((line): ProgramStatus[] => {
    const match = /^(\S+)\s+([A-Z]+)\s*(?:pid (\d+),)?/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) return [];
    const pid = match[3] === undefined ? {} : { pid: Number(match[3]) };
    return [{ name: match[1], state: match[2], ...pid }];
  });
}

/** Sends one command to HAProxy's runtime socket; undefined where no HAProxy listens. */
export function haproxyCommand(socket: string, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const connection = net.createConnection(socket);
    let answer = "";
    connection.setEncoding("utf8").setTimeout(5_000, () => connection.destroy());
    connection.on("connect", () => connection.write(`${command}\n`));
    connection.on("data", (data: string) => (answer += data));
    connection.on("error", () => {
      resolve(undefined);
    });
    connection.on("close", () => {
      resolve(answer);
    });
  });
}

/** Tries again every 100 ms until a value comes, or returns undefined when the time (seconds) is over. */
export async function until<T>(
  seconds: number,
  attempt: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await attempt();
    if (value !== undefined) return value;
    if (Date.now() >= end) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
