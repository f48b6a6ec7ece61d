/** Runs `work` while no other process of this machine does the same for the same folder; others wait. */
export function withLock<T>(name: string, folder: string, work: () => Promise<T>): Promise<T>;
