// The code with which a test's page draws on the graphics card: the tracer, and the kind that uses it.
export { hasGpuAdapter } from "../../src/node/platform/has-gpu-adapter.ts";
export { GpuTracer } from "../../src/tasks/kinds/render/gpu-tracer.browser.ts";
export { renderGpuBy } from "../../src/tasks/kinds/render/render-gpu.ts";
