import { createServer, type ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { pricesModule } from "../../commands/prices.ts";
import { refreshPrices } from "../../commands/prices/refresh.ts";
import { prices } from "../../core/cost/prices.ts";
import type { PriceSnapshot } from "../../core/cost/snapshot.ts";
import { projectRoot } from "../support/tools.ts";

/** AWS' price list, simulated: CSV files as it has them, and a server that fails in every way. */

const preamble = [
  '"FormatVersion","v1.0"',
  '"Disclaimer","for informational purposes only, see ""terms"""',
  '"Publication Date","2026-11-20T00:00:00Z"',
  '"Version","20261120000000"',
  '"OfferCode","AmazonEC2"',
];

const columns = [
  ...["SKU", "TermType", "PriceDescription", "StartingRange", "Unit", "PricePerUnit", "Currency"],
  ...[
    "Instance Type",
    "Tenancy",
    "Operating System",
    "usageType",
    "operation",
    "CapacityStatus",
    "Pre Installed S/W",
  ],
];

type Row = Partial<Record<(typeof columns)[number], string>>;

function csv(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string =>
    cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",");
  return [
    ...preamble,
    line(columns),
    ...rows.map((row) => line(columns.map((column) => row[column] ?? ""))),
  ].join("\n");
}

const onDemand = { SKU: "S", TermType: "OnDemand", StartingRange: "0", Currency: "USD" };
const plain = {
  ...onDemand,
  ...{ Unit: "Hrs", Tenancy: "Shared", "Operating System": "Linux", operation: "RunInstances" },
  ...{ CapacityStatus: "Used", "Pre Installed S/W": "NA" },
};
const machine = (type: string, price: string, more: Row = {}): Row => ({
  ...plain,
  ...{ "Instance Type": type, PricePerUnit: price, PriceDescription: `$${price} per hour, "${type}"` },
  ...more,
});
const usage = (usageType: string, price: string, more: Row = {}): Row => ({
  ...onDemand,
  usageType,
  PricePerUnit: price,
  ...more,
});

const lists: Readonly<Record<string, readonly Row[]>> = {
  AmazonEC2: [
    machine("p4de.24xlarge", "25.0000000000"),
    machine("m7i.large", "0.1008000000"),
    machine("m7i.large", "0.2", { "Operating System": "Windows" }),
    machine("m7i.large", "0.3", { Tenancy: "Dedicated" }),
    machine("m7i.large", "0.4", { CapacityStatus: "UnusedCapacityReservation" }),
    machine("m7i.large", "0.5", { "Pre Installed S/W": "SQL Std" }),
    machine("m7i.large", "0.6", { TermType: "Reserved" }),
    machine("m7i.large", "0.0000000000"),
    machine("t3.nano", "0.0052"),
    usage("NatGateway-Hours", "0.0450000000"),
    usage("NatGateway-Bytes", "0.045"),
    usage("NatGateway-Prvd-Bytes", "0.9"),
    usage("EBS:VolumeUsage.gp3", "0.08"),
  ],
  AmazonEKS: [
    usage("USE1-AmazonEKS-Hours:perCluster", "0.10"),
    usage("USE1-AmazonEKS-Hours:extendedSupport", "0.50"),
  ],
  AWSELB: [
    usage("LoadBalancerUsage", "0.0225", { operation: "LoadBalancing:Network" }),
    usage("LoadBalancerUsage", "0.9", { operation: "LoadBalancing:Application" }),
    usage("TS-LoadBalancerUsage", "0.005", { operation: "LoadBalancing:Network" }),
    usage("LCUUsage", "0.006", { operation: "LoadBalancing:Network" }),
  ],
  AmazonVPC: [usage("VpcEndpoint-Hours", "0.01")],
  AmazonS3: [
    usage("TimedStorage-ByteHrs", "0.023"),
    usage("TimedStorage-ByteHrs", "0.022", { StartingRange: "51200" }),
  ],
  AmazonCloudWatch: [usage("DataProcessing-Bytes", "0.50"), usage("TimedStorage-ByteHrs", "0.03")],
  awskms: [usage("us-east-1-KMS-Keys", "1.00")],
  AWSSecretsManager: [usage("USE1-AWSSecretsManager-Secrets", "0.40")],
};

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

type Answer = (service: string, region: string, response: ServerResponse) => void;

const good: Answer = (service, _region, response) => {
  response.end(csv(lists[service] ?? []));
};

async function serve(answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    const [, service = "", region = ""] =
      /^\/offers\/v1\.0\/aws\/([^/]+)\/current\/([^/]+)\/index\.csv$/.exec(request.url ?? "") ?? [];
    answer(service, region, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endings.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${String(address.port)}`;
}

const [usEast] = Object.values(prices.regions);
const before: PriceSnapshot = {
  ...prices,
  regions: usEast === undefined ? {} : { "us-east-1": { ...usEast, instances: { "m7i.large": 0.1008 } } },
};

const refresh = async (answer: Answer, regions = ["us-east-1"], snapshot = before) =>
  refreshPrices(snapshot, { regions, base: await serve(answer), today: "2026-11-28" });

describe("npm run prices", () => {
  it("reads the plain on-demand price of each type, and of the rest of a bill", async () => {
    const { snapshot, notes } = await refresh(good);
    expect(snapshot).toEqual({
      ...before,
      date: "2026-11-28",
      source: "AWS' public price list, on demand, Linux",
      regions: {
        "us-east-1": {
          ...before.regions["us-east-1"],
          instances: { "m7i.large": 0.1008, "p4de.24xlarge": 25 },
        },
      },
    });
    expect(notes).toEqual(["us-east-1: p4de.24xlarge new → $25 an hour"]);
  });

  it("takes a region in, by the prefix that its prices have", async () => {
    const { snapshot } = await refresh(
      (service, region, response) => {
        if (region !== "eu-west-2" || service !== "AmazonEC2") good(service, region, response);
        else response.end(csv([machine("m7i.large", "0.1176"), usage("EUW2-NatGateway-Hours", "0.05")]));
      },
      ["eu-west-2"],
    );
    expect(Object.keys(snapshot.regions)).toEqual(["eu-west-2", "us-east-1"]);
    expect(snapshot.regions["eu-west-2"]).toMatchObject({
      instances: { "m7i.large": 0.1176 },
      natGateway: 0.05,
    });
    expect(snapshot.regions["us-east-1"]).toEqual(before.regions["us-east-1"]);
  });

  it("keeps a price that the list has not, or has twice, and says so", async () => {
    const { snapshot, notes } = await refresh((service, region, response) => {
      if (service === "awskms") response.end(csv([]));
      else if (service === "AmazonVPC")
        response.end(csv([usage("VpcEndpoint-Hours", "0.01"), usage("USE1-VpcEndpoint-Hours", "0.02")]));
      else good(service, region, response);
    });
    expect(snapshot.regions["us-east-1"]).toMatchObject({ key: 1, interfaceEndpoint: 0.01 });
    expect(notes).toContain("us-east-1: KMS-Keys has no price in the list of awskms: $1 stays");
    expect(notes).toContain(
      "us-east-1: VpcEndpoint-Hours has 2 prices in the list of AmazonVPC: $0.01 stays",
    );
  });

  it("refuses a list that lost a type, as one that was cut has", async () => {
    const result = refresh((service, region, response) => {
      if (service === "AmazonEC2") response.end(csv([machine("p4de.24xlarge", "25")]));
      else good(service, region, response);
    });
    await expect(result).rejects.toThrow("has no price of m7i.large any more");
  });

  it.each<[string, Answer, RegExp]>([
    ["an unknown region", (_s, _r, response) => response.writeHead(403).end("<Error/>"), /HTTP 403/],
    ["an error page", (_s, _r, response) => response.end("<html>sorry</html>"), /no price list/],
    ["an empty file", (_s, _r, response) => response.end(), /no price list/],
    [
      "a line that is cut",
      (_s, _r, response) => response.end(`${csv([machine("m7i.large", "1")])}\n"S","OnDemand","half a li`),
      /a line has 2 of 14 columns/,
    ],
    [
      "a connection that breaks",
      (_s, _r, response) => {
        response.writeHead(200, { "content-length": "1000000" });
        response.write(csv(lists.AmazonEC2 ?? []), () => response.destroy());
      },
      /The prices of AmazonEKS could not be read from http\S+: other side closed/,
    ],
  ])("is told %s, and writes nothing", async (_name, answer, message) => {
    await expect(refresh(answer)).rejects.toThrow(message);
  });

  it("says where nothing listens", async () => {
    const base = await serve(good);
    await endings.pop()?.();
    const result = refreshPrices(before, { regions: ["us-east-1"], base, today: "2026-11-28" });
    await expect(result).rejects.toThrow(/ECONNREFUSED/);
  });

  it("writes the module as it is in the repository", async () => {
    const text = readFileSync(path.join(projectRoot, "core", "cost", "prices.ts"), "utf8");
    expect(await pricesModule(prices)).toBe(text);
  });
});
