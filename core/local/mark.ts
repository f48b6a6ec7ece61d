/**
 * Every process of a platform on this machine carries a mark in this variable of its environment, and so do its children,
 * those in a container too: by it they are found.
 */
export const markVariable = "TRITON_PLATFORM_PROCESS";
