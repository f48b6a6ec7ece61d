import { markedProcesses, markOf } from "../../components/local/marks.ts";
import { isFree } from "../../components/local/ports.ts";
import type { LocalPlan } from "../../core/local/plan.ts";
import type { LocalConfig } from "../../core/spec/platform.ts";
import type { Problem } from "../../core/spec/problem.ts";

/** Ports the plan wants that another program holds. Those of the platform's own processes are its own. */
export async function portProblems(plan: LocalPlan, local: LocalConfig, file: string): Promise<Problem[]> {
  const running = new Set(markedProcesses(markOf(plan.directory)).map(({ program }) => program));
  const planned = new Set(plan.processes.map(({ name }) => name));
  const leaving = [...running].filter((name) => !planned.has(name) && name !== "supervisord");
  const problems: Problem[] = [];
  for (const process of plan.processes.filter(({ name }) => !running.has(name))) {
    for (const port of process.ports) {
      if (await isFree(port)) continue;
      const orOurs =
        leaving.length === 0 ? "" : `; if it is this platform's own ${leaving.join(" or ")}: npm stop first`;
      problems.push({
        file,
        path: `triton-platform:local.${settingOf(process.name, port, local)}`,
        message: `port ${String(port)} on 127.0.0.1, wanted by ${process.name}, is taken by another program`,
        hint: `stop that program (ss -ltnp 'sport = :${String(port)}' names it), or set another port (npm run pulumi -- config set --path …)${orOurs}`,
      });
    }
  }
  return problems;
}

/** The setting under `triton-platform:local` that this port comes from. */
function settingOf(process: string, port: number, local: LocalConfig): string {
  if (process === "grafana") return "grafana.port";
  const own = (["httpPort", "grpcPort", "metricsPort", "prometheusPort", "simulatorPort"] as const).find(
    (key) => local[key] === port,
  );
  return own ?? (process === "balancer" ? "serverGrpcPorts" : "replicaPorts");
}
