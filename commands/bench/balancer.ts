import type { BenchPlatform } from "./platform.ts";
import { grpcLoad } from "./grpc-load.ts";
import { httpLoad } from "./http-load.ts";
import { withNginx } from "./nginx.ts";
import { race, type Contestant, type LoadPrograms, type RaceOptions } from "./race.ts";
import { raceRows, type Section } from "./report.ts";
import { inferUrl, inputsOf, serverOf, straightTo } from "./targets.ts";

/** The cheapest model: the less a call costs, the more of it is the balancer's. */
const model = "text-labels";

/** What the balancer costs: the same calls to the Tritons themselves, through HAProxy, and through nginx. */
export async function balancerSections(
  { description, ports, folder }: BenchPlatform,
  { vegeta, python }: LoadPrograms,
  options: RaceOptions,
): Promise<Section[]> {
  const { signal } = options;
  const server = serverOf(description, model);
  const straight = straightTo(description, server);
  const inputs = inputsOf(model);
  const body = JSON.stringify({ inputs });
  const addresses = straight.http.map((url) => new URL(url).host);

  return withNginx(
    { folder, port: ports.nginx, http: addresses, grpc: straight.grpc, signal },
    async (nginx) => {
      const http = (callers: number, name: string, bases: readonly string[]): Contestant => ({
        name,
        load: (seconds) => {
          const urls = bases.map((base) => inferUrl(base, model));
          return httpLoad({ vegeta, urls, body, callers, limit: { seconds }, signal });
        },
      });
      const grpc = (callers: number, name: string, target: string): Contestant => ({
        name,
        load: (seconds) => {
          const headers = { "x-triton-server": server };
          return grpcLoad({ python, target, model, headers, inputs, callers, limit: { seconds }, signal });
        },
      });
      const compare = async (title: string, contestants: readonly Contestant[]): Promise<Section> => {
        const results = await race(contestants, options);
        const names = contestants.map(({ name }) => name);
        const rows = raceRows(names, results, "against straight");
        const absent = { way: "nginx", "requests/s": "not installed" };
        return { title, notes: [], rows: nginx === undefined ? [...rows, absent] : rows };
      };

      const throughNginx = nginx === undefined ? [] : [nginx];
      const sections: Section[] = [];
      for (const callers of [16, 1]) {
        const title = `Balancer, HTTP, ${model}, ${String(callers)} ${callers === 1 ? "caller" : "callers"}`;
        const [one = ""] = straight.http;
        const contestants = [
          // A single caller cannot be spread.
          ...(callers === 1 ? [] : [http(callers, "straight, spread over all replicas", straight.http)]),
          http(callers, "straight to one replica", [one]),
          http(callers, "HAProxy", [description.endpoints.http]),
          ...throughNginx.map((url) => http(callers, "nginx", [url.http])),
        ];
        sections.push(await compare(title, contestants));
      }
      const [one = ""] = straight.grpc;
      const contestants = [
        grpc(16, "straight to one replica", one),
        grpc(16, "HAProxy", description.endpoints.grpc),
        ...throughNginx.map((url) => grpc(16, "nginx", url.grpc)),
      ];
      sections.push(
        await compare(`Balancer, gRPC (Triton's Python client), ${model}, 16 calls at a time`, contestants),
      );
      return sections;
    },
  );
}
