/** What HAProxy's runtime API answers. Source: HAProxy, "Management Guide", "show servers state" and "show stat". */

/** One server of one backend. */
export interface RuntimeServer {
  /** As commands name it: `backend/server`. */
  readonly entry: string;
  /** What DNS is asked for; `-` for none. */
  readonly hostname: string;
  /** `-` where DNS gives none. */
  readonly address: string;
  /** Whether calls go there as far as health checks decide. */
  readonly isUp: boolean;
  /** Whether somebody has ordered that it gets no new calls. */
  readonly isDrained: boolean;
  /** Whether it gets new calls. */
  readonly isServing: boolean;
}

/** Bits of `srv_admin_state`: maintenance by order, by a tracked server, drains, no address. `include/haproxy/server-t.h`. */
const drainByOrder = 0x08;

const running = "2";

/** The answer to `show servers state`. */
export function parseServersState(text: string): RuntimeServer[] {
  const lines = text.split("\n");
  const columns = lines
    .find((line) => line.startsWith("# "))
    ?.slice(2)
    .split(" ");
  if (columns === undefined) return [];
  return lines
    .filter((line) => /^\d+ \S/.test(line))
    .map((line): RuntimeServer => {
      const cells = line.split(" ");
      const cell = (name: string): string => cells[columns.indexOf(name)] ?? "";
      const admin = Number(cell("srv_admin_state"));
      const isUp = cell("srv_op_state") === running;
      return {
        entry: `${cell("be_name")}/${cell("srv_name")}`,
        hostname: cell("srv_fqdn"),
        address: cell("srv_addr"),
        isUp,
        isDrained: (admin & drainByOrder) !== 0,
        isServing: isUp && admin === 0,
      };
    });
}

/** Calls under way by `backend/server`, from the answer to `show stat`. */
export function parseSessions(text: string): ReadonlyMap<string, number> {
  const [head = "", ...lines] = text.trim().split("\n");
  const columns = head.replace(/^# /, "").split(",");
  return new Map(
    lines.map((line): [string, number] => {
      const cells = line.split(",");
      const cell = (name: string): string => cells[columns.indexOf(name)] ?? "";
      return [`${cell("pxname")}/${cell("svname")}`, Number(cell("scur"))];
    }),
  );
}
