// Whether this browser has a graphics card to compute with.

/** `gpu`: `navigator.gpu`, which browsers without WebGPU and insecure contexts lack, whatever its type says. */
export async function hasGpuAdapter(gpu: GPU | undefined): Promise<boolean> {
  const adapter = await gpu?.requestAdapter().catch(() => null); // a refusal counts as none
  return adapter !== null && adapter !== undefined;
}
