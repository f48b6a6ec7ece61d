/** What does not fit, as plain data: whoever wires capacity into a plan adds the file. */
export interface CapacityProblem {
  /** The model (or the pods' group) it is about; undefined where the whole server is. */
  readonly subject?: string;
  /** Inside the subject's spec, as in `instances[0].gpus`; empty where no single field is to blame. */
  readonly path: string;
  /** What is wrong, with the numbers. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}
