import { describe, expect, it } from "vitest";
import { parseServersState, parseSessions } from "../../../core/haproxy/runtime.ts";

/** What HAProxy 2.6 has answered: one that serves, one that is drained, one that is drained and gone, one without address. */
const state = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 http-gpu 1 gpu-1 172.18.0.3 2 0 1 1 82 15 3 3 6 0 0 0 triton-gpu 8000 - 0 0 - - 0
3 http-gpu 2 gpu-2 172.18.0.2 2 8 1 1 67 7 2 0 14 0 0 0 triton-gpu 8000 - 0 0 - - 0
3 http-gpu 3 gpu-3 - 0 40 1 1 82 1 0 0 14 0 0 0 triton-gpu 8000 - 0 0 - - 0
3 http-gpu 4 gpu-4 - 0 32 1 1 82 1 0 0 14 0 0 0 triton-gpu 8000 - 0 0 - - 0

`;

const stat = `# pxname,svname,qcur,qmax,scur,smax
http,FRONTEND,,,3,6
http-gpu,gpu-1,0,0,2,4
http-gpu,gpu-2,0,0,0,4
http-gpu,BACKEND,0,0,2,6

`;

describe("HAProxy's runtime API", () => {
  it("tells which servers get calls, and which are kept from them by order", () => {
    const server = { hostname: "triton-gpu" };
    expect(parseServersState(state)).toEqual([
      {
        ...server,
        entry: "http-gpu/gpu-1",
        address: "172.18.0.3",
        isUp: true,
        isDrained: false,
        isServing: true,
      },
      {
        ...server,
        entry: "http-gpu/gpu-2",
        address: "172.18.0.2",
        isUp: true,
        isDrained: true,
        isServing: false,
      },
      { ...server, entry: "http-gpu/gpu-3", address: "-", isUp: false, isDrained: true, isServing: false },
      { ...server, entry: "http-gpu/gpu-4", address: "-", isUp: false, isDrained: false, isServing: false },
    ]);
    expect(parseServersState("\n")).toEqual([]);
  });

  it("tells the calls under way", () => {
    const sessions = parseSessions(stat);
    expect(sessions.get("http-gpu/gpu-1")).toBe(2);
    expect(sessions.get("http-gpu/gpu-2")).toBe(0);
    expect(sessions.get("http-gpu/gpu-9")).toBeUndefined();
  });
});
