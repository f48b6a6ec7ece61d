import { vi } from "vitest";
import { ProblemsError } from "../../core/spec/problem.ts";
import { UserError } from "../../commands/setup/user-error.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command's `main` in this process, as commands/run.mjs does in one of its own: a second faster. */
export async function runCommand(
  main: (args: string[]) => Promise<void>,
  ...args: readonly string[]
): Promise<CommandResult> {
  let stdout = "";
  let stderr = "";
  const spies = [
    vi.spyOn(console, "log").mockImplementation((text: unknown) => void (stdout += `${String(text)}\n`)),
    vi.spyOn(console, "error").mockImplementation((text: unknown) => void (stderr += `${String(text)}\n`)),
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      stderr += String(text);
      return true;
    }),
  ];
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    // Some commands throw before they return a promise.
    await Promise.resolve().then(() => main([...args]));
    return { code: exitCode(), stdout, stderr };
  } catch (error) {
    const code = exitCode() || 1;
    if (error instanceof UserError)
      return { code, stdout, stderr: `${stderr}${error.message}\n${error.hint}` };
    if (error instanceof ProblemsError) return { code, stdout, stderr: `${stderr}${error.message}` };
    throw error;
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
  }
}

/** In a function of its own: the compiler believes that it is still the 0 of above. */
function exitCode(): number {
  return Number(process.exitCode);
}
