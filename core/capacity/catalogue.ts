import type { Bytes } from "../spec/units.ts";

export type Architecture = "turing" | "ampere" | "ada" | "hopper";

/** A GPU as the platform knows it. */
export interface GpuProduct {
  /** What users write: `a100-80gb`. */
  readonly name: string;
  /** Values of the node label `nvidia.com/gpu.product` (GPU feature discovery); the first is the one on EC2. */
  readonly labels: readonly string[];
  readonly architecture: Architecture;
  /** CUDA compute capability: what a TensorRT plan is built for. */
  readonly computeCapability: string;
  /** Total memory as nvidia-smi shows it. */
  readonly memory: Bytes;
  /** What CUDA has for processes: the total less what the driver and ECC keep. */
  readonly usable: Bytes;
  /** Empty where the GPU has no MIG. */
  readonly migProfiles: readonly MigProfile[];
}

/** A GPU instance of Multi-Instance GPU (MIG). */
export interface MigProfile {
  /** `1g.10gb` */
  readonly name: string;
  /** What a pod asks for under the device plugin's `mixed` strategy, which writes `.` for `+`. */
  readonly resource: string;
  /** Memory of the slice; CUDA sees all of it. */
  readonly memory: Bytes;
  /** Of 7. */
  readonly computeSlices: number;
  /** Of 8. */
  readonly memorySlices: number;
  /** Instances of this profile alone on one GPU. */
  readonly maxPerGpu: number;
}

/** What a server runs on: a whole GPU, or a MIG slice of one. */
export interface Accelerator {
  /** `a100-80gb`, `a100-80gb 1g.10gb` */
  readonly name: string;
  readonly gpu: GpuProduct;
  readonly slice?: MigProfile;
  /** Memory of one device that CUDA has for processes. */
  readonly usable: Bytes;
  /** What a pod asks for. */
  readonly resource: string;
}

const mebibytes = (count: number): Bytes => count * 1024 ** 2;
const gibibytes = (count: number): Bytes => Math.floor(count * 1024 ** 3);

/** The resource of whole GPUs (NVIDIA device plugin). */
export const gpuResource = "nvidia.com/gpu";

/**
 * The profiles of a GPU with 7 compute and 8 memory slices. All such GPUs have the same seven; names carry the
 * memory of the card. Source: NVIDIA MIG User Guide, "Supported MIG Profiles" (fractions, numbers of instances).
 */
function migProfiles(
  /** Gigabytes in the names of profiles with 1, 2, 4 and 8 memory slices. */
  names: readonly [number, number, number, number],
  /** Their memory in MiB. */
  memory: readonly [number, number, number, number],
): readonly MigProfile[] {
  const [eighth, quarter, half, full] = [0, 1, 2, 3].map((i) => ({
    gb: `${String(names[i])}gb`,
    bytes: mebibytes(memory[i] ?? 0),
    slices: 2 ** i,
  }));
  if (eighth === undefined || quarter === undefined || half === undefined || full === undefined) return [];
  const profile = (compute: number, { gb, bytes, slices }: typeof eighth, max: number, suffix = "") => {
    const name = `${String(compute)}g.${gb}${suffix}`;
    return {
      name,
      resource: `nvidia.com/mig-${name.replace("+", ".")}`,
      memory: bytes,
      computeSlices: compute,
      memorySlices: slices,
      maxPerGpu: max,
    };
  };
  return [
    profile(1, eighth, 7),
    // The one slice with the media engines.
    profile(1, eighth, 1, "+me"),
    profile(1, quarter, 4),
    profile(2, quarter, 3),
    profile(3, half, 2),
    profile(4, half, 1),
    profile(7, full, 1),
  ];
}

/**
 * The GPUs the platform knows, smallest first.
 *
 * `memory`: nvidia-smi's "Memory-Usage" total with ECC on, as in public listings of each card and in the label
 * `nvidia.com/gpu.memory`. `usable`: the smallest "GPU 0 has a total capacity of … GiB" that PyTorch's out-of-memory
 * errors show for the card; it is cudaMemGetInfo's total, and differs by driver by up to 0.2 GiB.
 * MIG memory: `nvidia-smi mig -lgip`; for the A100 40 GB the listing in NVIDIA's MIG User Guide ("List GPU Instance
 * Profiles": 4.75, 9.62, 19.50, 39.25 GiB), for the A100 80 GB (9.50, 19.50, 39.25, 79.00) and the H100 (9.75, 19.62,
 * 39.50, 79.25) the same listing of real cards, agreeing with the label `nvidia.com/mig-1g.10gb.memory` (9728, 9984).
 * For the H200 only parts of a listing were found (16.00, 32.50, 140.00); half a card is given as 69.5 GiB, a little
 * less than what PyTorch reports there (69.8).
 */
export const gpuProducts: readonly GpuProduct[] = [
  {
    name: "t4",
    labels: ["Tesla-T4"],
    architecture: "turing",
    computeCapability: "7.5",
    memory: mebibytes(15_360),
    usable: gibibytes(14.56),
    migProfiles: [],
  },
  {
    name: "a10g",
    labels: ["NVIDIA-A10G"],
    architecture: "ampere",
    computeCapability: "8.6",
    memory: mebibytes(23_028),
    usable: gibibytes(21.95),
    migProfiles: [],
  },
  {
    name: "l4",
    labels: ["NVIDIA-L4"],
    architecture: "ada",
    computeCapability: "8.9",
    memory: mebibytes(23_034),
    usable: gibibytes(21.95),
    migProfiles: [],
  },
  {
    name: "a100-40gb",
    labels: ["NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-PCIE-40GB"],
    architecture: "ampere",
    computeCapability: "8.0",
    memory: mebibytes(40_960),
    usable: gibibytes(39.38),
    migProfiles: migProfiles([5, 10, 20, 40], [4_864, 9_856, 19_968, 40_192]),
  },
  {
    name: "l40s",
    labels: ["NVIDIA-L40S"],
    architecture: "ada",
    computeCapability: "8.9",
    memory: mebibytes(46_068),
    usable: gibibytes(44.39),
    migProfiles: [],
  },
  {
    name: "a100-80gb",
    labels: ["NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe"],
    architecture: "ampere",
    computeCapability: "8.0",
    memory: mebibytes(81_920),
    usable: gibibytes(79.1),
    migProfiles: migProfiles([10, 20, 40, 80], [9_728, 19_968, 40_192, 80_896]),
  },
  {
    name: "h100",
    labels: ["NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe"],
    architecture: "hopper",
    computeCapability: "9.0",
    memory: mebibytes(81_559),
    usable: gibibytes(79.1),
    migProfiles: migProfiles([10, 20, 40, 80], [9_984, 20_096, 40_448, 81_152]),
  },
  {
    name: "h200",
    labels: ["NVIDIA-H200"],
    architecture: "hopper",
    computeCapability: "9.0",
    memory: mebibytes(143_771),
    usable: gibibytes(139.7),
    migProfiles: migProfiles([18, 35, 71, 141], [16_384, 33_280, 71_168, 143_360]),
  },
];

/** Every whole GPU and every MIG slice, the one with the least memory first; of equals the one with less compute. */
export const accelerators: readonly Accelerator[] = gpuProducts
  .flatMap((gpu): Accelerator[] => [
    { name: gpu.name, gpu, usable: gpu.usable, resource: gpuResource },
    ...gpu.migProfiles.map((slice) => ({
      name: `${gpu.name} ${slice.name}`,
      gpu,
      slice,
      usable: slice.memory,
      resource: slice.resource,
    })),
  ])
  .sort((a, b) => a.usable - b.usable || computeSlices(a) - computeSlices(b));

/** The accelerator of a GPU's short name and, for a slice of it, a MIG profile's name; undefined for unknown ones. */
export function findAccelerator(gpu: string, mig?: string): Accelerator | undefined {
  return accelerators.find(({ gpu: product, slice }) => product.name === gpu && slice?.name === mig);
}

function computeSlices({ slice }: Accelerator): number {
  return slice?.computeSlices ?? Number.POSITIVE_INFINITY;
}
