/** Names, labels, ports and places that the containers of one host know each other by. */

/** What a container is for. */
export type ServiceName = "triton" | "balancer" | "prometheus" | "grafana" | "dcgm-exporter";

/** Labels of everything that a stack has on a host; commands find containers by them, whatever their names are. */
export const labels = {
  stack: "triton-platform.stack",
  service: "triton-platform.service",
  server: "triton-platform.server",
  replica: "triton-platform.replica",
  repository: "triton-platform.repository",
} as const;

/** Ports inside the containers; those of the host are the config's. */
export const ports = {
  http: 8000,
  grpc: 8001,
  metrics: 8002,
  /** The balancer's own health. */
  health: 8003,
  /** The balancer's runtime API, for processes of its container alone. */
  admin: 8004,
  prometheus: 9090,
  grafana: 3000,
  dcgmExporter: 9400,
} as const;

/** In the network's DNS: an address for each replica of the server. */
export function serverAlias(server: string): string {
  return `triton-${server}`;
}

/** In the network's DNS: one replica, or for the time of its replacement both. The dot is in no server's name. */
export function replicaAlias(server: string, replica: number): string {
  return `r${String(replica)}.${serverAlias(server)}`;
}

export function replicaName(server: string, replica: number): string {
  return `${server}-${String(replica)}`;
}

/** Where containers have what is mounted into them. */
export const places = {
  models: "/models",
  holysheep: "/run/secrets/holysheep",
  balancer: "/etc/triton-balancer",
  balancerRun: "/run/triton-balancer",
  prometheus: "/etc/prometheus",
  prometheusData: "/prometheus",
  grafana: "/etc/triton-grafana",
  grafanaData: "/var/lib/grafana",
  dcgmExporter: "/etc/triton-dcgm-exporter",
} as const;

/** File of HolySheep's key, below `places.holysheep`. */
export const holysheepKeyFile = "api-key";

/** Users that the containers' processes run as. */
export const users = {
  /** `triton-server` of NVIDIA's image. */
  triton: 1000,
  /** `haproxy` of its own image. */
  haproxy: 99,
  /** `nobody`, as the image of Prometheus has it. */
  prometheus: 65_534,
  grafana: 472,
} as const;
