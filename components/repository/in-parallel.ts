/** Files, or parts of one, on their way at the same time; each file that is sent is in up to four parts. */
const transfers = 8;

/** Works on some at a time. The first that fails lets those under way end and no other begin. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: transfers }, worker));
  if (failures.length > 0) throw failures[0];
}
