// IEEE 754 half floats: hidden states cross the wire in them if a session asks for it.

/** The largest finite half. */
export const HALF_MAX = 65504;

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/**
 * The bits of the half nearest to `value`, ties to even. Values past the range become
 * infinity, every NaN one quiet NaN.
 */
export function floatToHalf(value: number): number {
  floats[0] = value;
  const word = bits[0] ?? 0;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Below the smallest normal half, halves are multiples of 2^-24.
    // Adding 0.5 leaves them in the low bits, rounded to even.
    floats[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] ?? 0) - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The value of a half's bits; exact. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * f32 little-endian bytes as little-endian halves: half as many bytes. Undefined if a finite value lies outside the
 * range of halves: such a state must cross unrounded.
 */
export function packHalves(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const count = bytes.byteLength / 4;
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packed = new Uint8Array(2 * count);
  const to = new DataView(packed.buffer);
  for (let index = 0; index < count; index++) {
    const value = from.getFloat32(4 * index, true);
    const half = floatToHalf(value);
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(value)) return undefined;
    to.setUint16(2 * index, half, true);
  }
  return packed;
}

/** The f32 little-endian bytes of halves: twice as many bytes. */
export function unpackHalves(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = bytes.byteLength / 2;
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const unpacked = new Uint8Array(4 * count);
  const to = new DataView(unpacked.buffer);
  for (let index = 0; index < count; index++) to.setFloat32(4 * index, halfToFloat(from.getUint16(2 * index, true)), true);
  return unpacked;
}
