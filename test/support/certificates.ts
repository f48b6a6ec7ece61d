import { execFileSync } from "node:child_process";
import path from "node:path";
import { openssl } from "./tools.ts";

/**
 * Makes a certificate `<name>.crt` and its key `<name>.key` in a folder, for this machine's loopback address: of an
 * authority that lies there, or one of its own.
 */
export function makeCertificate(folder: string, name: string, subject: string, authority?: string): void {
  const at = (file: string): string => path.join(folder, file);
  const run = (...args: readonly string[]): void => {
    execFileSync(openssl.program ?? "openssl", args, { stdio: "pipe" });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const names = [
    ...["-keyout", at(`${name}.key`), "-subj", `/O=test/CN=${subject}`],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
  ];
  if (authority === undefined) {
    run("req", "-x509", "-days", "2", ...key, ...names, "-out", at(`${name}.crt`));
    return;
  }
  run("req", "-new", ...key, ...names, "-out", at(`${name}.csr`));
  run(
    ...["x509", "-req", "-days", "2", "-in", at(`${name}.csr`), "-copy_extensions", "copy"],
    ...["-CA", at(`${authority}.crt`), "-CAkey", at(`${authority}.key`), "-CAcreateserial"],
    ...["-out", at(`${name}.crt`)],
  );
}
