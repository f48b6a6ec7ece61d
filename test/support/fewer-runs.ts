import fc, { PreconditionFailure, type Plugin } from "fast-check";

/**
 * Properties of `npm run test:quick` are tried with five values each; `npm test` tries them with as many as they say. A count
 * and no time limit, so that a busy machine tries the same.
 */
const mostRuns = 5;

const fewerRuns: Plugin<unknown> = (index) => {
  // Vitest evaluates this before each file, in a process of several files: the first one counts.
  if (index > 0) return {};
  let runs = 0;
  let hasFailed = false;
  return {
    decorateRun: (run) => (value) => {
      // A value that fails is made smaller for as long as it takes.
      if (runs >= mostRuns && !hasFailed) return new PreconditionFailure(true);
      runs += 1;
      const result = run(value);
      const note = (outcome: Awaited<typeof result>): typeof outcome => {
        // A value that the property does not speak of is none of the five.
        if (PreconditionFailure.isFailure(outcome)) runs -= 1;
        else if (outcome !== null) hasFailed = true;
        return outcome;
      };
      return result instanceof Promise ? result.then(note) : note(result);
    },
  };
};

if (process.env.TEST_QUICK !== undefined) fc.installGlobalPlugin(fewerRuns);
