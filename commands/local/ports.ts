import { markedProcesses, markOf } from "../../components/local/marks.ts";
import { isFree } from "../../components/local/ports.ts";
import type { LocalPlan } from "../../core/local/plan.ts";
import type { Problem } from "../../core/spec/problem.ts";

/** Ports the plan wants that another program holds. Those of the platform's own processes are its own. */
export async function portProblems(plan: LocalPlan, file: string): Promise<Problem[]> {
  const ours = new Set(markedProcesses(markOf(plan.directory)).map(({ program }) => program));
  const problems: Problem[] = [];
  for (const process of plan.processes.filter(({ name }) => !ours.has(name))) {
    for (const port of process.ports) {
      if (await isFree(port)) continue;
      problems.push({
        file,
        path: "triton-platform:local",
        message: `port ${String(port)} on 127.0.0.1, wanted by ${process.name}, is taken by another program`,
        hint: `stop that program (ss -ltnp 'sport = :${String(port)}' names it), or set another port: npm run pulumi -- config set --path triton-platform:local.${settingOf(process.name, port, plan)} <port>`,
      });
    }
  }
  return problems;
}

/** The setting under `triton-platform:local` that this port comes from. */
function settingOf(process: string, port: number, plan: LocalPlan): string {
  const { endpoints } = plan.description;
  const named = [
    [endpoints.http, "httpPort"],
    [endpoints.grpc, "grpcPort"],
    [endpoints.metrics, "metricsPort"],
    [endpoints.prometheus, "prometheusPort"],
  ] as const;
  const match = named.find(([url]) => url.includes(`:${String(port)}`));
  if (match !== undefined) return match[1];
  if (process === "balancer") return "serverGrpcPorts";
  return process === "llm-simulator" ? "simulatorPort" : "replicaPorts";
}
