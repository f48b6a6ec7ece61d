import type { MonitoredPlatform } from "../platform.ts";
import { balancerDashboard } from "./balancer.ts";
import { fleetDashboard } from "./fleet.ts";
import { gpuDashboard } from "./gpu.ts";
import { llmDashboard } from "./llm.ts";
import { modelDashboard } from "./model.ts";
import type { DashboardPlan } from "./plan.ts";

/** The dashboards of a platform: one without GPUs or LLM proxies has none of them. */
export function dashboardsOf(platform: MonitoredPlatform): readonly DashboardPlan[] {
  return [
    fleetDashboard(platform),
    modelDashboard(platform),
    ...(platform.target.gpu === "none" ? [] : [gpuDashboard(platform)]),
    balancerDashboard(platform),
    ...(platform.models.some(({ isProxy }) => isProxy) ? [llmDashboard(platform)] : []),
  ];
}
