import { request } from "node:https";
import { isRecord, type Properties } from "./values.ts";

/** A Kubernetes API as its administrator, without a process for each call. */
export class ApiServer {
  constructor(
    readonly endpoint: string,
    private readonly certificate: string,
    private readonly token: string,
  ) {}

  /** Undefined where there is no such. */
  get(path: string): Promise<Properties | undefined> {
    return this.#send("GET", path);
  }

  /** The items of a list; none where the kind is not known. */
  async list(path: string): Promise<Properties[]> {
    const items = (await this.get(path))?.items;
    return Array.isArray(items) ? items.filter(isRecord) : [];
  }

  async create(path: string, object: object): Promise<void> {
    await this.#send("POST", path, object);
  }

  async merge(path: string, patch: object): Promise<void> {
    await this.#send("PATCH", path, patch);
  }

  async delete(path: string): Promise<void> {
    await this.#send("DELETE", path);
  }

  #send(method: string, path: string, body?: object): Promise<Properties | undefined> {
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.endpoint}${path}`,
        {
          ...{ method, ca: this.certificate, agent: false },
          headers: {
            authorization: `Bearer ${this.token}`,
            "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            const status = response.statusCode ?? 0;
            if (status === 404) resolve(undefined);
            else if (status >= 400) reject(new Error(`${method} ${path}: ${String(status)} ${text}`));
            else {
              const answer: unknown = JSON.parse(text);
              resolve(isRecord(answer) ? answer : undefined);
            }
          });
        },
      );
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
