import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

interface Comment {
  readonly id: number;
  readonly user: { readonly login: string } | null;
  body: string;
}

interface Pull {
  readonly number: number;
  readonly head: string;
  readonly sha: string;
}

/** As much of GitHub's REST API as comments need, with its pages, its limit of a comment, and its failures. */
export class SimulatedGitHub {
  readonly comments: Comment[] = [];
  readonly pulls: Pull[] = [];
  /** `GET /repos/…`, in order. */
  readonly calls: string[] = [];
  /** Answers to the next calls instead of the right ones; undefined: the right one. */
  readonly faults: (((response: ServerResponse) => void) | undefined)[] = [];
  /** Done before the connection breaks. */
  breakAfterPost = false;
  readonly token = "a token of a test";
  #url = "";
  readonly #server = createServer((request, response) => {
    void this.#answer(request, response);
  });

  static async start(): Promise<SimulatedGitHub> {
    const github = new SimulatedGitHub();
    await new Promise<void>((resolve) => github.#server.listen(0, "127.0.0.1", resolve));
    const address = github.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    github.#url = `http://127.0.0.1:${String(address.port)}`;
    return github;
  }

  get url(): string {
    return this.#url;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.#url);
    this.calls.push(`${request.method ?? ""} ${url.pathname}${url.search}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const fault = this.faults.shift();
    if (fault !== undefined) {
      fault(response);
      return;
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      this.#send(response, 401, { message: "Bad credentials" });
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const text = body === "" ? "" : this.#bodyOf(JSON.parse(body));
    const place = url.pathname.replace("/repos/acme/platform/", "");
    if (request.method === "GET") this.#list(url, place, response);
    else if (text.length > 65_536) this.#send(response, 422, { message: "body is too long" });
    else if (request.method === "POST" && place === "issues/7/comments") {
      this.comments.push({
        id: 1_000 + this.comments.length,
        user: { login: "github-actions[bot]" },
        body: text,
      });
      if (this.breakAfterPost) response.destroy();
      else this.#send(response, 201, {});
    } else {
      const id = Number(/^issues\/comments\/(\d+)$/.exec(place)?.[1]);
      const comment = this.comments.find((candidate) => candidate.id === id);
      if (comment === undefined) this.#send(response, 404, { message: "Not Found" });
      else {
        comment.body = text;
        this.#send(response, 200, {});
      }
    }
  }

  #bodyOf(document: unknown): string {
    const body: unknown =
      typeof document === "object" && document !== null ? Reflect.get(document, "body") : "";
    return typeof body === "string" ? body : "";
  }

  #list(url: URL, place: string, response: ServerResponse): void {
    const all: readonly object[] | undefined =
      place === "issues/7/comments"
        ? this.comments
        : place === "pulls"
          ? this.pulls
              .filter(({ head }) => head === url.searchParams.get("head"))
              .map(({ number, sha }) => ({ number, state: "open", head: { sha } }))
          : undefined;
    if (all === undefined) {
      this.#send(response, 404, { message: "Not Found" });
      return;
    }
    const size = Number(url.searchParams.get("per_page") ?? 30);
    const page = Number(url.searchParams.get("page") ?? 1);
    if (page * size < all.length) {
      const next = new URL(url);
      next.searchParams.set("page", String(page + 1));
      response.setHeader("link", `<${next.href}>; rel="next", <${url.href}>; rel="last"`);
    }
    this.#send(response, 200, all.slice((page - 1) * size, page * size));
  }

  #send(response: ServerResponse, status: number, body: object): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}
