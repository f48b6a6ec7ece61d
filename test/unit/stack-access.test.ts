import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main as smoke } from "../../commands/smoke.ts";
import { readAccess } from "../../commands/stack/access.ts";
import { runCommand } from "../support/command.ts";

describe("what lets a client in", () => {
  let folder = "";

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-access-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function file(name: string, text: string): string {
    const place = path.join(folder, name);
    writeFileSync(place, text);
    return place;
  }

  it("is a key in a file, which an option or the environment names", () => {
    const [one, other] = [file("one", "tp-one\n"), file("other", "tp-other")];
    expect(readAccess({ "api-key-file": one }, {})).toEqual({ apiKey: "tp-one", tls: {} });
    expect(readAccess({}, { TRITON_PLATFORM_API_KEY_FILE: other }).apiKey).toBe("tp-other");
    expect(readAccess({ "api-key-file": one }, { TRITON_PLATFORM_API_KEY_FILE: other }).apiKey).toBe(
      "tp-one",
    );
    expect(readAccess({}, {})).toEqual({ tls: {} });
  });

  it("is a client's certificate with its key, and authorities of one's own", () => {
    const [ca, cert, key] = ["ca", "cert", "key"].map((name) => file(`${name}.pem`, name));
    expect(readAccess({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }, {}).tls).toEqual({
      ca,
      certificate: cert,
      key,
    });
    expect(() => readAccess({ cert: cert ?? "" }, {})).toThrow("--cert and --key together");
    expect(() => readAccess({ ca: "/nowhere.pem" }, {})).toThrow(
      "There is no file /nowhere.pem, which --ca names",
    );
  });

  it("is refused where a file holds no key, and what it holds is not shown", () => {
    expect(() => readAccess({ "api-key-file": "/nowhere" }, {})).toThrow(
      "There is no file /nowhere with an API key",
    );
    expect(() => readAccess({ "api-key-file": file("empty", "\n") }, {})).toThrow("is empty");
    const several = file("several", "planted-key\r\nx-caller-id: somebody\n");
    expect(() => readAccess({ "api-key-file": several }, {})).toThrow(
      /^(?![^]*planted-key)[^]*holds more than one API key$/,
    );
  });

  it("is asked for before anything is called", async () => {
    // The committed stack wants keys of its callers.
    const { code, stderr } = await runCommand(smoke, "--stack", "prod");
    expect(code).toBe(1);
    expect(stderr).toContain("--api-key-file");
  });
});

describe("npm run smoke", () => {
  it("says which address is none", async () => {
    const at = (...args: string[]) => runCommand(smoke, "--stack", "gpu-host", ...args);
    for (const args of [
      ["--http", "no where"],
      ["--http", "ftp://x:1"],
      ["--grpc", "http://x:8001"],
    ]) {
      const { code, stderr } = await at(...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(`${args[1] ?? ""} is no address of`)]);
    }
  });
});
