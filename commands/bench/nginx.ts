import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { findProgram } from "../setup/find-program.ts";
import { lastWords } from "../setup/run-program.ts";
import { UserError } from "../setup/user-error.ts";

export interface NginxOptions {
  readonly folder: string;
  /** HTTP; gRPC is on the next one. */
  readonly port: number;
  /** `host:port` of the Tritons. */
  readonly http: readonly string[];
  readonly grpc: readonly string[];
  readonly signal: AbortSignal;
}

/** Runs nginx in front of the same Tritons while `use` runs; undefined where it is not installed. */
export async function withNginx<T>(
  options: NginxOptions,
  use: (nginx: { readonly http: string; readonly grpc: string } | undefined) => Promise<T>,
): Promise<T> {
  const program = findProgram("nginx");
  if (program === undefined) return use(undefined);
  const folder = path.join(options.folder, "nginx");
  const file = path.join(folder, "nginx.conf");
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, renderNginxConfig(options));
  const child = execa(program, ["-p", folder, "-c", file, "-e", "stderr"], {
    stdin: "ignore",
    reject: false,
  });
  try {
    const url = `http://127.0.0.1:${String(options.port)}`;
    const ended = child.then(({ stderr }): never => {
      throw new UserError(`nginx does not run:\n${lastWords(stderr)}`, "mend or remove the installed nginx");
    });
    // It ends at the end, too, when nobody waits for this any more.
    ended.catch(() => undefined);
    await Promise.race([answers(`${url}/v2/health/ready`, options.signal), ended]);
    return await use({ http: url, grpc: `127.0.0.1:${String(options.port + 1)}` });
  } finally {
    child.kill("SIGTERM");
    await child;
  }
}

/** What its manual recommends for a proxy: the least busy server, and connections that are kept. */
export function renderNginxConfig({ port, http, grpc }: Omit<NginxOptions, "folder" | "signal">): string {
  const servers = (addresses: readonly string[]): string =>
    addresses.map((address) => `    server ${address};`).join("\n");
  return `daemon off;
worker_processes auto;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 64m;
  client_body_buffer_size 128k;
  keepalive_requests 1000000;
  upstream http_tritons {
    least_conn;
${servers(http)}
    keepalive 64;
    keepalive_requests 1000000;
  }
  upstream grpc_tritons {
    least_conn;
${servers(grpc)}
    keepalive 64;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${String(port)};
    location / {
      proxy_pass http://http_tritons;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
  server {
    listen 127.0.0.1:${String(port + 1)} http2;
    location / { grpc_pass grpc://grpc_tritons; }
  }
}
`;
}

async function answers(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    const ok = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await sleep(100, undefined, { signal });
  }
  throw new UserError("nginx does not answer", "run the benchmark again");
}
