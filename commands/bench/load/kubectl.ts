import { execa } from "execa";

/** The namespace that kubectl is called for, and how it gets there; what is left out is kubectl's own matter. */
export interface KubectlAccess {
  readonly namespace: string;
  /** A file. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** How a program that was run has ended; without an exit code it did not start, or was stopped. */
export interface Ended {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command line of kubectl begins with. */
export function kubectlCommand({ namespace, kubeconfig, context }: KubectlAccess): readonly string[] {
  return [
    "kubectl",
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--context=${context}`]),
    `--namespace=${namespace}`,
  ];
}

/** Finds the objects that have all of these labels. */
export function selectorOption(labels: Readonly<Record<string, string>>): string {
  return `--selector=${Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",")}`;
}

export async function runKubectl(
  access: KubectlAccess,
  args: readonly string[],
  { input, signal }: { readonly input?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<Ended> {
  const [program = "", ...first] = kubectlCommand(access);
  const { exitCode, stdout, stderr, originalMessage } = await execa(program, [...first, ...args], {
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
    // Ctrl-C on a terminal reaches its whole process group: what it has made is to be removed afterwards.
    detached: true,
    reject: false,
    maxBuffer: 1024 ** 3,
  });
  return { exitCode, stdout, stderr: stderr === "" ? (originalMessage ?? "") : stderr };
}
