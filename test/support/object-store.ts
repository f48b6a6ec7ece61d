import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { writeFileSync } from "node:fs";
import { vi } from "vitest";

/** An answer that the store gives instead of the right one. */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly code: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Ends the connection after half of the body. */
  | { readonly kind: "truncated" }
  /** Right in size and wrong in one byte. */
  | { readonly kind: "corrupt" }
  /** Never answers. */
  | { readonly kind: "silent" };

export interface StoreRequest {
  readonly method: string;
  /** Without the bucket; of a listing the prefix. */
  readonly key: string;
  readonly operation: Operation;
  /** That the request was signed for. */
  readonly region: string;
}

type Operation =
  | "list"
  | "get"
  | "head"
  | "put"
  | "copy"
  | "copyPart"
  | "delete"
  | "createUpload"
  | "uploadPart"
  | "completeUpload"
  | "abortUpload";

const accessKey = "AKIATEST";

/** What a bucket that keeps versions has of an object. */
interface Version {
  readonly content: Buffer;
  /** In base64, as S3 gives it where it was uploaded with one; of several parts with their number. */
  readonly checksum?: string;
}

/**
 * The part of S3 that is used here, in memory, on a free port. Requests must carry the right access key, and bodies the
 * sha256 that was signed; signatures themselves are not checked.
 */
export class ObjectStore {
  readonly objects = new Map<string, Buffer>();
  readonly requests: StoreRequest[] = [];
  readonly #uploads = new Map<string, Map<number, Buffer>>();
  /** Objects of other buckets by `bucket/key`, each by its version ids, the newest last. */
  readonly versions = new Map<string, Map<string, Version>>();
  /** Ranges that parts were copied of, in the order of requests. */
  readonly copiedRanges: string[] = [];
  /** Decides on a fault for a request; asked in the order of requests. */
  fault: (request: StoreRequest) => Fault | undefined = () => undefined;
  /** Other buckets that are there too; their objects are among this one's, by their keys. */
  also: RegExp | undefined;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  private constructor(readonly bucket: string) {}

  static async start(bucket = "models"): Promise<ObjectStore> {
    const store = new ObjectStore(bucket);
    await new Promise<void>((resolve) => store.#server.listen(0, "127.0.0.1", resolve));
    return store;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get endpoint(): string {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the store does not listen");
    return `http://127.0.0.1:${String(address.port)}`;
  }

  /** Multipart uploads that are neither completed nor aborted. */
  get openUploads(): number {
    return this.#uploads.size;
  }

  /** A credentials file in AWS's format that the store takes. */
  credentialsIn(folder: string): string {
    const file = path.join(folder, "credentials");
    writeFileSync(file, `[default]\naws_access_key_id = ${accessKey}\naws_secret_access_key = secret\n`);
    return file;
  }

  /** Keys that an operation was asked for. */
  keysOf(operation: Operation): string[] {
    return this.requests.filter((request) => request.operation === operation).map(({ key }) => key);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://store");
    const [, bucket = "", ...rest] = url.pathname.split("/").map(decodeURIComponent);
    const operation = operationOf(request, url, rest.join("/"));
    const key = operation === "list" ? (url.searchParams.get("prefix") ?? "") : rest.join("/");
    const [, region = ""] =
      /Credential=[^/]+\/\d+\/([^/]+)\/s3\//.exec(request.headers.authorization ?? "") ?? [];
    const asked = { method: request.method ?? "", key, operation, region };
    this.requests.push(asked);
    const body = await bodyOf(request);
    const isOwn = bucket === this.bucket || this.also?.test(bucket) === true;
    const fault = this.fault(asked);
    if (fault?.kind === "silent") return;
    const refused =
      fault?.kind === "status"
        ? fault
        : !(request.headers.authorization ?? "").includes(`Credential=${accessKey}/`)
          ? { status: 403, code: "InvalidAccessKeyId" }
          : !isOwn && !this.versions.has(`${bucket}/${key}`)
            ? { status: 404, code: "NoSuchBucket" }
            : isAsSigned(request, body)
              ? undefined
              : { status: 400, code: "XAmzContentSHA256Mismatch" };
    if (refused !== undefined) sendError(response, refused.status, refused.code, headersOf(fault));
    else if (isOwn) this.#do(operation, key, url, request, body, response, fault);
    else this.#getVersion(`${bucket}/${key}`, url, request, response, fault);
  }

  #do(
    operation: Operation,
    key: string,
    url: URL,
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const uploadId = url.searchParams.get("uploadId") ?? "";
    switch (operation) {
      case "list":
        this.#list(key, url, response);
        return;
      case "head":
      case "get":
        // Of the bucket itself.
        if (key === "") send(response, 200, "");
        else this.#get(key, request, response, fault);
        return;
      case "put":
        this.objects.set(key, body);
        send(response, 200, "", { etag: etag(body) });
        return;
      case "copy": {
        const content = this.#sourceOf(request);
        if (content === undefined) {
          sendError(response, 404, "NoSuchKey");
          return;
        }
        this.objects.set(key, content);
        send(response, 200, `<CopyObjectResult><ETag>${etag(content)}</ETag></CopyObjectResult>`);
        return;
      }
      case "copyPart": {
        const range = String(request.headers["x-amz-copy-source-range"]);
        this.copiedRanges.push(range);
        const [, first = "", last = ""] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
        const part = this.#sourceOf(request)?.subarray(Number(first), Number(last) + 1);
        if (part === undefined) {
          sendError(response, 404, "NoSuchVersion");
          return;
        }
        this.#uploads.get(uploadId)?.set(Number(url.searchParams.get("partNumber")), part);
        send(response, 200, `<CopyPartResult><ETag>${etag(part)}</ETag></CopyPartResult>`);
        return;
      }
      case "delete":
        this.objects.delete(key);
        send(response, 204, "");
        return;
      case "createUpload": {
        const id = `upload-${String(this.requests.length)}`;
        this.#uploads.set(id, new Map());
        const result = `<UploadId>${id}</UploadId><Bucket>${this.bucket}</Bucket>`;
        send(response, 200, `<InitiateMultipartUploadResult>${result}</InitiateMultipartUploadResult>`);
        return;
      }
      case "uploadPart":
        this.#uploads.get(uploadId)?.set(Number(url.searchParams.get("partNumber")), body);
        send(response, 200, "", { etag: etag(body) });
        return;
      case "completeUpload": {
        const parts = [...(this.#uploads.get(uploadId) ?? [])].sort(([a], [b]) => a - b);
        this.objects.set(key, Buffer.concat(parts.map(([, part]) => part)));
        this.#uploads.delete(uploadId);
        send(
          response,
          200,
          `<CompleteMultipartUploadResult><Key>k</Key><ETag>"x-2"</ETag></CompleteMultipartUploadResult>`,
        );
        return;
      }
      case "abortUpload":
        this.#uploads.delete(uploadId);
        send(response, 204, "");
        return;
    }
  }

  /** Few keys a page, so that pages are followed. */
  #list(prefix: string, url: URL, response: ServerResponse): void {
    const after = url.searchParams.get("continuation-token") ?? url.searchParams.get("marker") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, pageSize);
    const contents = page.map(
      (key) =>
        `<Contents><Key>${escapeXml(key)}</Key><Size>${String(this.objects.get(key)?.length)}</Size></Contents>`,
    );
    const more = keys.length > page.length;
    const token = more
      ? `<NextContinuationToken>${escapeXml(page.at(-1) ?? "")}</NextContinuationToken>`
      : "";
    send(
      response,
      200,
      `<ListBucketResult><IsTruncated>${String(more)}</IsTruncated>${token}${contents.join("")}</ListBucketResult>`,
    );
  }

  /** What a copy's header names: `bucket/key?versionId=id`, in percent encoding. */
  #sourceOf(request: IncomingMessage): Buffer | undefined {
    const [place = "", version] = String(request.headers["x-amz-copy-source"]).split("?versionId=");
    const name = decodeURIComponent(place);
    const inBucket = `${this.bucket}/`;
    if (version === undefined && name.startsWith(inBucket))
      return this.objects.get(name.slice(inBucket.length));
    return this.versions.get(name)?.get(decodeURIComponent(version ?? ""))?.content;
  }

  #getVersion(
    name: string,
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const all = [...(this.versions.get(name) ?? [])];
    const asked = url.searchParams.get("versionId");
    const [id = "", version] = (asked === null ? all.at(-1) : all.find(([other]) => other === asked)) ?? [];
    if (version === undefined) sendError(response, 404, "NoSuchVersion");
    else {
      const { content, checksum } = version;
      const wantsChecksum = request.headers["x-amz-checksum-mode"] === "ENABLED" && checksum !== undefined;
      sendContent(content, request, response, fault, {
        // A bucket that keeps none names none.
        ...(id === "" ? {} : { "x-amz-version-id": id }),
        ...(wantsChecksum ? { "x-amz-checksum-sha256": checksum } : {}),
      });
    }
  }

  #get(key: string, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const whole = this.objects.get(key);
    if (whole === undefined) sendError(response, 404, "NoSuchKey");
    else sendContent(whole, request, response, fault);
  }
}

function sendContent(
  whole: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
  headers: Readonly<Record<string, string>> = {},
): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const first = Number(range?.[1] ?? 0);
  const last = range?.[2] === undefined || range[2] === "" ? whole.length - 1 : Number(range[2]);
  const part = Buffer.from(whole.subarray(first, last + 1));
  if (fault?.kind === "corrupt" && part.length > 0) part[0] = 255 - (part[0] ?? 0);
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    "content-length": String(part.length),
    "content-range": `bytes ${String(first)}-${String(last)}/${String(whole.length)}`,
    "accept-ranges": "bytes",
    "last-modified": new Date(0).toUTCString(),
    // Of what is stored, as S3 gives it.
    etag: etag(whole),
  });
  if (request.method === "HEAD") response.end();
  else if (fault?.kind !== "truncated") response.end(part);
  else response.write(part.subarray(0, part.length / 2), () => response.destroy());
}

const pageSize = 50;

function operationOf(request: IncomingMessage, url: URL, key: string): Operation {
  const has = (name: string): boolean => url.searchParams.has(name);
  switch (request.method) {
    case "GET":
      return key === "" ? "list" : "get";
    case "HEAD":
      return "head";
    case "POST":
      return has("uploads") ? "createUpload" : "completeUpload";
    case "DELETE":
      return has("uploadId") ? "abortUpload" : "delete";
    default:
      if (request.headers["x-amz-copy-source"] !== undefined) return has("partNumber") ? "copyPart" : "copy";
      return has("partNumber") ? "uploadPart" : "put";
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  } catch {
    // The client has gone away in the middle; nobody reads the answer.
  }
  return Buffer.concat(chunks);
}

function isAsSigned(request: IncomingMessage, body: Buffer): boolean {
  const signed = request.headers["x-amz-content-sha256"];
  return (
    typeof signed !== "string" ||
    !/^[0-9a-f]{64}$/.test(signed) ||
    signed === createHash("sha256").update(body).digest("hex")
  );
}

const etags = new WeakMap<Buffer, string>();

function etag(content: Buffer): string {
  const tag = etags.get(content) ?? `"${createHash("md5").update(content).digest("hex")}"`;
  etags.set(content, tag);
  return tag;
}

function send(
  response: ServerResponse,
  status: number,
  xml: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/xml", ...headers });
  response.end(xml);
}

function headersOf(fault: Fault | undefined): Readonly<Record<string, string>> {
  return fault?.kind === "status" ? (fault.headers ?? {}) : {};
}

function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const error = `<Error><Code>${code}</Code><Message>${code} by the test's store</Message></Error>`;
  send(response, status, error, headers);
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Until `vi.unstubAllEnvs`, AWS' SDK in this process has a store's credentials, from a file in `folder`, and finds no others. */
export function stubCredentials(store: ObjectStore, folder: string): void {
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", store.credentialsIn(folder));
  vi.stubEnv("AWS_CONFIG_FILE", path.join(folder, "none"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  for (const name of ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
    vi.stubEnv(name, undefined);
}
