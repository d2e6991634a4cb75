// How large a scene may be.

export const SCENE_LIMITS = Object.freeze({
  /** Pixels of a side of the picture. */
  side: 4096,
  /** Paths through one pixel. */
  samples: 4096,
  /** Segments of one path. */
  bounces: 16,
  /** Spheres and triangles: each ray is tested against all of them. */
  objects: 1000,
  materials: 256,
  lights: 16,
  /** Largest coordinate: squares of differences stay far from infinity. */
  coordinate: 1e6,
});
