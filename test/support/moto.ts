import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { withLock } from "../../commands/setup/lock.mjs";
import { cleanPython, pipArguments } from "../../commands/setup/python.ts";
import { runProgram } from "../../commands/setup/run-program.ts";
import { projectRoot, venvPython } from "./tools.ts";

const requirements = path.join(projectRoot, "test", "support", "moto-requirements.txt");

/** AWS' APIs by moto, in a process of its own on a free port: they answer AWS' SDK, and start with nothing. */
export class Moto {
  private constructor(
    readonly endpoint: string,
    /** The account that moto's resources are in. */
    readonly account: string,
    private readonly running: PromiseLike<unknown> & { kill(): boolean },
  ) {}

  static async start(account = "123456789012"): Promise<Moto> {
    const packages = await withLock("moto", projectRoot, installed);
    const args = ["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"];
    const running = execa(venvPython.program ?? "", args, {
      ...{
        env: { ...cleanPython, PYTHONPATH: packages, PYTHONUNBUFFERED: "1", MOTO_ACCOUNT_ID: account },
        reject: false,
        buffer: false,
      },
    });
    const endpoint = await new Promise<string>((resolve, reject) => {
      let said = "";
      running.stderr.on("data", (text: Buffer) => {
        said += text.toString();
        const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      });
      running.stderr.on("end", () => {
        reject(new Error(`moto's server has ended before it began: ${said}`));
      });
    });
    return new Moto(endpoint, account, running);
  }

  /** What AWS' SDK needs to come here. */
  get environment(): Readonly<Record<string, string>> {
    return {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_ACCESS_KEY_ID: "AKIATEST",
      AWS_SECRET_ACCESS_KEY: "secret",
    };
  }

  async stop(): Promise<void> {
    this.running.kill();
    await this.running;
  }
}

/** Folder with moto's packages, which are fetched once for each state of its requirements. */
async function installed(): Promise<string> {
  const key = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = path.join(projectRoot, ".local", "cache", `moto-${key}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  await runProgram({
    command: venvPython.program ?? "",
    args: [...pipArguments, "--target", unfinished, "--requirement", requirements],
    failure: "moto could not be installed",
    hint: "mend what pip reports (index, proxy, disk space)",
    env: cleanPython,
  });
  renameSync(unfinished, folder);
  return folder;
}
