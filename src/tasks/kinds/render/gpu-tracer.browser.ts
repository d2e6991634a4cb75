// Draws squares of scenes on the graphics card, in steps short enough that the machine stays usable and progress is
// reported.
import { ManyhandsError } from "../../../shared/errors.ts";
import type { SquareTracer } from "./render-gpu.ts";
import { FRAME_BYTES, packFrame, packScene } from "./pack-scene.ts";
import { PATH_TRACE_WGSL, WORKGROUP } from "./path-trace-wgsl.ts";
import type { Square } from "./squares.ts";
import type { RunContext } from "../../task-kind.ts";
import type { Scene } from "./scene.ts";

const DEFAULTS = Object.freeze({
  /**
   * Rays times objects of one step, which take a few ten milliseconds on a card and about a second in software. Systems
   * reset a card that computes for two seconds.
   */
  stepWork: 2 ** 26,
});

/** Flags of the WebGPU specification, which the platform's types lack. */
const USE = Object.freeze({ mapRead: 0x1, copyFrom: 0x4, copyTo: 0x8, uniform: 0x40, storage: 0x80 });
const MAP_READ = 0x1;

/** Bytes of a pixel's sum of light. */
const SUM_BYTES = 16;

interface Ready {
  readonly device: GPUDevice;
  readonly pipeline: GPUComputePipeline;
}

/** Opens the card with the first square, and again after it was lost. */
export class GpuTracer implements SquareTracer {
  readonly #gpu: GPU | undefined;
  #ready: Promise<Ready> | undefined;

  constructor(gpu: GPU | undefined) {
    this.#gpu = gpu;
  }

  async trace(scene: Scene, square: Square, { signal, progress }: RunContext): Promise<Float32Array> {
    const { device, pipeline } = await this.#open();
    const { spheres, triangles, materials, lights } = packScene(scene);
    const pixels = square.width * square.height;
    const buffers: GPUBuffer[] = [];
    const make = (size: number, usage: number, bytes?: ArrayBuffer): GPUBuffer => {
      const buffer = device.createBuffer({ size, usage: usage | USE.copyTo });
      if (bytes) device.queue.writeBuffer(buffer, 0, bytes);
      buffers.push(buffer);
      return buffer;
    };
    try {
      const rows = [spheres, triangles, materials, lights].map(({ buffer, byteLength }) => make(byteLength, USE.storage, buffer));
      const frame = make(FRAME_BYTES, USE.uniform);
      const sums = make(pixels * SUM_BYTES, USE.storage | USE.copyFrom);
      const read = make(pixels * SUM_BYTES, USE.mapRead);
      const entries = [frame, ...rows, sums].map((buffer, binding) => ({ binding, resource: { buffer } }));
      const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
      const samples = samplesOfStep(scene, pixels);
      for (let firstSample = 0; firstSample < scene.samples; firstSample += samples) {
        signal.throwIfAborted();
        const step = {
          square: [square.x, square.y, square.width, square.height] as const,
          firstSample,
          samples: Math.min(samples, scene.samples - firstSample),
        };
        device.queue.writeBuffer(frame, 0, packFrame(scene, step));
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(Math.ceil(square.width / WORKGROUP), Math.ceil(square.height / WORKGROUP));
        pass.end();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        progress();
      }
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(sums, 0, read, 0, pixels * SUM_BYTES);
      device.queue.submit([encoder.finish()]);
      await read.mapAsync(MAP_READ);
      return new Float32Array(read.getMappedRange().slice(0));
    } catch (cause) {
      signal.throwIfAborted();
      this.#ready = undefined; // a card that was lost is opened again
      throw new ManyhandsError("INPUT_UNAVAILABLE", "the graphics card does not compute now", { cause });
    } finally {
      for (const buffer of buffers) buffer.destroy();
    }
  }

  #open(): Promise<Ready> {
    this.#ready ??= this.#start().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async #start(): Promise<Ready> {
    const adapter = await this.#gpu?.requestAdapter();
    if (!adapter) throw new ManyhandsError("INPUT_UNAVAILABLE", "there is no graphics card here");
    const device = await adapter.requestDevice();
    void device.lost.then(() => (this.#ready = undefined));
    const module = device.createShaderModule({ code: PATH_TRACE_WGSL });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
    return { device, pipeline };
  }
}

/** Paths through each pixel in one step. */
function samplesOfStep({ spheres, triangles, lights, bounces }: Scene, pixels: number): number {
  const work = pixels * bounces * (spheres.length + triangles.length + 1) * (1 + lights.length);
  return Math.max(1, Math.floor(DEFAULTS.stepWork / work));
}
