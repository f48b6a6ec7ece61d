import type { Bytes, Microseconds } from "../spec/units.ts";

/**
 * One budget of times for one server group, from which probes, grace periods and the balancer's timeouts come, so
 * that they can never contradict each other. All values are whole seconds.
 */
export interface TimingBudget {
  /** A server that is not ready this long after its start has failed. */
  readonly startup: number;
  /** The longest a call may take. */
  readonly call: number;
  /** The balancer waits this long for a server's answer: longer than the call's own limit, so that the model's error wins. */
  readonly balancerServer: number;
  /** The balancer's clients may be idle this long: longer than it waits for the server. */
  readonly balancerClient: number;
  /** A server taken out of the balancer may finish its calls for this long before it is told to stop. */
  readonly drain: number;
  /** Triton's own `--exit-timeout-secs`. */
  readonly exit: number;
  /** After the stop signal; then the process is killed. */
  readonly kill: number;
}

/** Reading weights and building sessions, bytes per second: a cold gp3 volume gives 125 MB/s; half of that is safe. */
const loadRate: Bytes = 60e6;
/** Triton, its Python stubs and warm-up, before any byte of weights; the stub's own limit is 30 s. */
const startupFloor = 60;

/** The budget of a group that loads this many bytes and whose longest call takes this long. */
export function timingBudget(repositoryBytes: Bytes, longestCall: Microseconds): TimingBudget {
  const call = Math.max(1, Math.ceil(longestCall / 1e6));
  const balancerServer = call + 5;
  const drain = call + 5;
  // The drain has ended all calls; what is left are idle connections and the models' own finalize.
  const exit = 30;
  return {
    startup: startupFloor + Math.ceil(repositoryBytes / loadRate),
    call,
    balancerServer,
    balancerClient: balancerServer + 5,
    drain,
    exit,
    kill: exit + 10,
  };
}

/** The inequalities that every budget keeps; the tests hold them over all inputs. */
export function isConsistent(budget: TimingBudget): boolean {
  return (
    budget.call < budget.balancerServer &&
    budget.balancerServer < budget.balancerClient &&
    budget.call < budget.drain &&
    budget.exit < budget.kill
  );
}
