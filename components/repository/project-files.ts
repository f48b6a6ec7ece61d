import path from "node:path";
import type { RepositoryFile } from "../../core/triton/repository.ts";

/**
 * Files of repositories as the engine records them: relative to the project, since a stack's state is shared, and paths
 * of one machine say nothing on another. The program and the provider are of one checkout.
 */
const project = path.join(import.meta.dirname, "..", "..");

type Placed = Pick<RepositoryFile, "from">;

/** Of the program, for the engine. */
export function inProject<F extends Placed>(file: F): F {
  return moved(file, (place) => path.relative(project, place));
}

/** Of the engine, for the machine that reads them. */
export function onMachine<F extends Placed>(file: F): F {
  return moved(file, (place) => path.resolve(project, place));
}

function moved<F extends Placed>(file: F, move: (place: string) => string): F {
  return "file" in file.from ? { ...file, from: { file: move(file.from.file) } } : file;
}
