import { isIP } from "node:net";
import type { RateLimit } from "../haproxy/plan.ts";
import type { ServerPlan } from "../platform.ts";
import { callerName, type BalancerConfig, type KubernetesConfig } from "../spec/kubernetes.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import { formatBytes, formatDuration } from "../spec/units.ts";
import type { BalancerObjects } from "./balancer.ts";
import { ports } from "./names.ts";

/** Everything wrong with what the config says of the balancer, and with what comes of it. `file` names the stack's config. */
export function balancerProblems(
  servers: readonly ServerPlan[],
  config: Pick<KubernetesConfig, "balancer" | "externalSecrets">,
  objects: Pick<BalancerObjects, "configMaps">,
  file: string,
): Problem[] {
  const { balancer } = config;
  const report: Report = (path, message, hint) => ({
    file,
    path: `triton-platform:kubernetes.balancer.${path}`,
    message,
    hint,
  });
  const problems = [
    ...grpcPortProblems(servers, balancer, report),
    ...accessProblems(balancer, report),
    ...rateLimitProblems(config, report),
    ...serviceProblems(balancer, report),
  ];
  // A name that is wrong could break the file's own lines.
  return problems.length > 0 || servers.length === 0 ? problems : configSizeProblems(objects, file);
}

type Report = (path: string, message: string, hint: string) => Problem;

function grpcPortProblems(
  servers: readonly ServerPlan[],
  { grpcPorts }: BalancerConfig,
  report: Report,
): Problem[] {
  const names = servers.map(({ name }) => name);
  const owners = new Map<number, string>(
    Object.entries(ports).map(([name, port]) => [port, `the balancer's own ${name}`]),
  );
  return Object.entries(grpcPorts).flatMap(([name, port]) => {
    const path = `grpcPorts.${name}`;
    const owner = owners.get(port);
    owners.set(port, owner ?? `\`${name}\``);
    return [
      ...(names.includes(name) ? [] : [report(path, `there is no server \`${name}\``, suggest(name, names))]),
      ...(owner === undefined
        ? []
        : [report(path, `port ${String(port)} is that of ${owner}`, "give each server a port of its own")]),
    ];
  });
}

function accessProblems(
  { tls, clientCertificates, apiKeys = [] }: BalancerConfig,
  report: Report,
): Problem[] {
  const owners = new Map<string, string>();
  return [
    ...(clientCertificates !== undefined && tls === undefined
      ? [
          report(
            "tls",
            "missing, and clientCertificates asks clients for certificates",
            "name the Secret of the balancer's own certificate: clients show theirs under TLS only",
          ),
        ]
      : []),
    ...apiKeys.flatMap(({ sha256: key, caller }, i) => {
      const other = owners.get(key);
      owners.set(key, other ?? caller);
      return other === undefined
        ? []
        : [
            report(
              `apiKeys[${String(i)}].sha256`,
              other === caller
                ? `this key of ${caller} is listed twice`
                : `${other} and ${caller} have the same key`,
              "list each key once: `npm run api-key -- <caller>` makes new ones",
            ),
          ];
    }),
  ];
}

/** HAProxy keeps times as milliseconds in 31 bits, and an entry for twice the period. */
const longestPeriod = 12 * 24 * 3_600_000_000;

type LimitedConfig = Pick<KubernetesConfig, "balancer" | "externalSecrets">;

function rateLimitProblems(config: LimitedConfig, report: Report): Problem[] {
  const { balancer } = config;
  const limits = Object.entries(balancer.rateLimits);
  const all: [string, RateLimit | undefined][] = [
    ["rateLimit", balancer.rateLimit],
    ...limits.map(([caller, limit]): [string, RateLimit] => [`rateLimits.${caller}`, limit]),
  ];
  return [
    ...limits.flatMap(([caller]) => limitedCallerProblems(caller, config, report)),
    ...all.flatMap(([path, limit]) =>
      limit === undefined || limit.period <= longestPeriod
        ? []
        : [
            report(
              `${path}.period`,
              `${formatDuration(limit.period)} is too long for HAProxy`,
              `write at most ${formatDuration(longestPeriod)}`,
            ),
          ],
    ),
  ];
}

/** Callers are those of the API keys and the subjects of certificates; without either, they are addresses. */
function limitedCallerProblems(
  caller: string,
  { balancer: { apiKeys, clientCertificates }, externalSecrets }: LimitedConfig,
  report: Report,
): Problem[] {
  const path = `rateLimits.${caller}`;
  // Whose keys are there is known to the store alone.
  const areElsewhere = externalSecrets?.apiKeys !== undefined && apiKeys === undefined;
  if (apiKeys === undefined && clientCertificates === undefined && !areElsewhere) {
    if (isIP(caller) === 0)
      return [
        report(
          path,
          `\`${caller}\` is no address, and without apiKeys and clientCertificates callers are known by address only`,
          "write an IP address, or give callers keys with apiKeys",
        ),
      ];
    const known = knownAddress(caller);
    return caller === known
      ? []
      : [
          report(
            path,
            `${caller} is never counted by itself: callers of IPv6 are known by their network of 64 bits`,
            `write ${known}`,
          ),
        ];
  }
  if (clientCertificates !== undefined || areElsewhere) {
    return callerName.test(caller)
      ? []
      : [report(path, `\`${caller}\` is no caller's name`, "use letters, digits and . _ @ -, at most 64")];
  }
  const known = new Set(apiKeys?.map((entry) => entry.caller));
  return known.has(caller)
    ? []
    : [
        report(
          path,
          `no API key belongs to \`${caller}\``,
          `add a key of it to apiKeys, or limit one of: ${[...known].sort().join(", ")}`,
        ),
      ];
}

/** An address as HAProxy knows it, which is without the last 64 bits of IPv6. */
function knownAddress(address: string): string {
  const [withoutZone = ""] = address.split("%");
  if (isIP(withoutZone) !== 6) return withoutZone;
  const [head = "", tail] = shortest(withoutZone).split("::");
  const groups = (part = ""): string[] => (part === "" ? [] : part.split(":"));
  const omitted = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(omitted).fill("0"), ...groups(tail)];
  return shortest(`${all.slice(0, 4).join(":")}::`);
}

/** An address of IPv6 in its one shortest form (RFC 5952), which is how URLs have it. */
function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** What the API server refuses. Source: Kubernetes, `ValidateService`. */
function serviceProblems({ service: wanted }: BalancerConfig, report: Report): Problem[] {
  const { type, loadBalancerClass, loadBalancerSourceRanges, externalTrafficPolicy } = wanted;
  const hint = "set service.type to LoadBalancer, or leave it out";
  return [
    ...(loadBalancerClass !== undefined && type !== "LoadBalancer"
      ? [report("service.loadBalancerClass", `a Service of type ${type} has no load balancer`, hint)]
      : []),
    ...(loadBalancerSourceRanges.length > 0 && type !== "LoadBalancer"
      ? [report("service.loadBalancerSourceRanges", `a Service of type ${type} has no load balancer`, hint)]
      : []),
    ...(externalTrafficPolicy !== undefined && type === "ClusterIP"
      ? [
          report(
            "service.externalTrafficPolicy",
            "a Service of type ClusterIP has no traffic from outside",
            "set service.type to LoadBalancer or NodePort, or leave it out",
          ),
        ]
      : []),
  ];
}

/** Of a ConfigMap. Source: Kubernetes, `MaxSecretSize` in `pkg/apis/core/validation`. */
const mostConfigBytes = 1024 ** 2;

function configSizeProblems(
  { configMaps: [configMap] }: Pick<BalancerObjects, "configMaps">,
  file: string,
): Problem[] {
  const bytes = Object.values(configMap?.data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return bytes <= mostConfigBytes
    ? []
    : [
        {
          file,
          path: "triton-platform:servers",
          message: `the balancer's file has ${formatBytes(bytes)}, and a ConfigMap holds ${formatBytes(mostConfigBytes)}`,
          hint: "shorten the models' names, or deploy some of the models as another platform",
        },
      ];
}
