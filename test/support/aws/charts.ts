import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import yaml from "js-yaml";
import { projectRoot } from "../tools.ts";

interface StandIn {
  /** Of the workload, where another than the release's. */
  readonly workload?: string;
  readonly kind?: "DaemonSet";
  /** Values without which the real one does not work. */
  readonly demands?: readonly string[];
  /** Where its ServiceAccount's values are; none where left out. */
  readonly account?: string;
  /** Files of test/support/crds that begin so. */
  readonly definitions?: string;
}

/** Charts by name: a workload that does nothing, with the real one's name, ServiceAccount and custom resources. */
const standIns: Readonly<Record<string, StandIn>> = {
  // Source: its values.yaml: outside of the instance metadata's reach it crashes without these.
  "aws-load-balancer-controller": { demands: ["clusterName", "region", "vpcId"], account: "serviceAccount" },
  "cluster-autoscaler": {
    demands: ["awsRegion", "autoDiscovery.clusterName"],
    account: "rbac.serviceAccount",
  },
  "external-secrets": { definitions: "external-secrets.io" },
  keda: { workload: "keda-operator", definitions: "keda.sh" },
  "nvidia-device-plugin": { kind: "DaemonSet" },
  "dcgm-exporter": { kind: "DaemonSet" },
};

/** Writes charts that stand in for the real ones, each in a folder of its name. */
export function writeStandInCharts(folder: string, version: string): void {
  for (const [name, standIn] of Object.entries(standIns))
    writeChart(path.join(folder, name), name, version, standIn);
}

function writeChart(folder: string, name: string, version: string, standIn: StandIn): void {
  const {
    workload = "{{ .Release.Name }}",
    kind = "Deployment",
    demands = [],
    account,
    definitions,
  } = standIn;
  mkdirSync(path.join(folder, "templates"), { recursive: true });
  mkdirSync(path.join(folder, "crds"), { recursive: true });
  writeFileSync(path.join(folder, "Chart.yaml"), yaml.dump({ apiVersion: "v2", name, version }));
  const demanded = demands
    .map((value) => `{{- $_ := required "${value} is missing" .Values.${value} }}\n`)
    .join("");
  const labels = { "app.kubernetes.io/name": name };
  const container = { name: "stand-in", image: "registry.k8s.io/pause:3.10", securityContext: restricted };
  const manifest = {
    apiVersion: "apps/v1",
    kind,
    metadata: { name: workload },
    spec: {
      ...(kind === "Deployment" ? { replicas: 1 } : {}),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...(account === undefined ? {} : { serviceAccountName: `{{ .Values.${account}.name }}` }),
          ...(kind === "DaemonSet" ? { tolerations: [{ operator: "Exists" }] } : {}),
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1_000,
            seccompProfile: { type: "RuntimeDefault" },
          },
          containers: [container],
        },
      },
    },
  };
  writeFileSync(path.join(folder, "templates", "workload.yaml"), `${demanded}${yaml.dump(manifest)}`);
  if (account !== undefined)
    writeFileSync(
      path.join(folder, "templates", "service-account.yaml"),
      `apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .Values.${account}.name }}
  annotations: {{ toJson .Values.${account}.annotations }}
`,
    );
  if (definitions !== undefined) writeDefinitions(path.join(folder, "crds"), definitions);
}

const restricted = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

function writeDefinitions(folder: string, prefix: string): void {
  const source = path.join(projectRoot, "test", "support", "crds");
  for (const name of readdirSync(source).filter(
    (file) => file.startsWith(prefix) && file.endsWith(".yaml.gz"),
  ))
    writeFileSync(
      path.join(folder, name.replace(/\.gz$/, "")),
      gunzipSync(readFileSync(path.join(source, name))),
    );
}
