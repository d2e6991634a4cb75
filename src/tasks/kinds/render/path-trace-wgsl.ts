// The path tracer of `path-trace.ts` as a compute shader: the same scene, the same random draws, 32-bit floats. Two
// machines need not agree on the last bits of such floats, so the pictures are a kind of their own and are never
// compared byte by byte.

/** Threads along each side of a workgroup. */
export const WORKGROUP = 8;

/**
 * Uniform `frame` (binding 0), spheres, triangles, materials, lights (1 to 4, all vec4f), and the sums of light (5).
 */
export const PATH_TRACE_WGSL = /* wgsl */ `
struct Frame {
  eye: vec3f, width: u32,
  ahead: vec3f, height: u32,
  right: vec3f, seed: u32,
  above: vec3f, bounces: u32,
  horizon: vec3f, viewHeight: f32,
  zenith: vec3f, firstSample: u32,
  square: vec4u,
  samples: u32, spheres: u32, triangles: u32, lights: u32,
}
struct Hit { distance: f32, at: vec3f, up: vec3f, material: u32, isInside: bool }

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> spheres: array<vec4f>;   // centre and radius, then material
@group(0) @binding(2) var<storage, read> triangles: array<vec4f>; // three corners, the first with the material
@group(0) @binding(3) var<storage, read> materials: array<vec4f>; // kind and blur or index, then colour or light
@group(0) @binding(4) var<storage, read> lights: array<vec4f>;    // position, then light
@group(0) @binding(5) var<storage, read_write> sums: array<vec4f>;

const MATT = 0u;
const METAL = 1u;
const GLASS = 2u;
const LAMP = 3u;
const NEVER = 1e30;
const GAP = 1e-3; // from a surface to the start of its ray: 32-bit floats need more than 64-bit ones

var<private> state: u32;

fn mixed(value: u32) -> u32 {
  let s = value * 747796405u + 2891336453u;
  let word = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
  return (word >> 22u) ^ word;
}

fn chance() -> f32 {
  state = state * 747796405u + 2891336453u;
  return f32(mixed(state)) * 2.3283064365386963e-10;
}

fn direction() -> vec3f {
  for (var n = 0; n < 64; n++) {
    let x = 2.0 * chance() - 1.0;
    let y = 2.0 * chance() - 1.0;
    let z = 2.0 * chance() - 1.0;
    let point = vec3f(x, y, z);
    let square = dot(point, point);
    if (square <= 1.0 && square > 1e-12) { return point / sqrt(square); }
  }
  return vec3f(0.0, 1.0, 0.0);
}

fn nearest(start: vec3f, along: vec3f, within: f32) -> Hit {
  var hit = Hit(within, vec3f(0.0), vec3f(0.0), 0u, false);
  var isFound = false;
  for (var i = 0u; i < frame.spheres; i++) {
    let ball = spheres[2u * i];
    let way = ball.xyz - start;
    let middle = dot(way, along);
    let off = way - middle * along; // from the ray's nearest point: keeps the digits that the difference of squares loses
    let root = ball.w * ball.w - dot(off, off);
    if (!(root > 0.0)) { continue; }
    let half = sqrt(root);
    let at = select(middle + half, middle - half, middle - half > GAP);
    if (!(at > GAP && at < hit.distance)) { continue; }
    isFound = true;
    hit.distance = at;
    hit.up = (start + at * along - ball.xyz) / ball.w;
    hit.material = u32(spheres[2u * i + 1u].x);
  }
  for (var i = 0u; i < frame.triangles; i++) {
    let a = triangles[3u * i];
    let ab = triangles[3u * i + 1u].xyz - a.xyz;
    let ac = triangles[3u * i + 2u].xyz - a.xyz;
    let p = cross(along, ac);
    let determinant = dot(ab, p);
    if (determinant == 0.0) { continue; }
    let way = start - a.xyz;
    let u = dot(way, p) / determinant;
    if (!(u >= 0.0 && u <= 1.0)) { continue; }
    let q = cross(way, ab);
    let w = dot(along, q) / determinant;
    if (!(w >= 0.0 && u + w <= 1.0)) { continue; }
    let at = dot(ac, q) / determinant;
    if (!(at > GAP && at < hit.distance)) { continue; }
    isFound = true;
    hit.distance = at;
    hit.up = normalize(cross(ab, ac));
    hit.material = u32(a.w);
  }
  if (!isFound) {
    hit.distance = NEVER;
    return hit;
  }
  hit.at = start + hit.distance * along;
  hit.isInside = dot(hit.up, along) > 0.0;
  if (hit.isInside) { hit.up = -hit.up; }
  return hit;
}

fn lampLight(at: vec3f, up: vec3f) -> vec3f {
  var total = vec3f(0.0);
  for (var i = 0u; i < frame.lights; i++) {
    let way = lights[2u * i].xyz - at;
    let square = dot(way, way);
    let distance = sqrt(square);
    let along = way / distance;
    let slant = dot(along, up);
    if (!(slant > 0.0)) { continue; }
    if (nearest(at + GAP * up, along, distance).distance != NEVER) { continue; }
    total += lights[2u * i + 1u].xyz * (slant / square);
  }
  return total;
}

fn tracePath(eye: vec3f, first: vec3f) -> vec3f {
  var start = eye;
  var along = first;
  var light = vec3f(0.0);
  var share = vec3f(1.0);
  for (var bounce = 0u; bounce < frame.bounces; bounce++) {
    let hit = nearest(start, along, NEVER);
    if (hit.distance == NEVER) {
      return light + share * mix(frame.horizon, frame.zenith, 0.5 * (along.y + 1.0));
    }
    let kind = u32(materials[2u * hit.material].x);
    let number = materials[2u * hit.material].y;
    let colour = materials[2u * hit.material + 1u].xyz;
    if (kind == LAMP) { return light + share * colour; }
    share *= colour;
    let outside = hit.at + GAP * hit.up;
    let mirrored = along - 2.0 * dot(along, hit.up) * hit.up;
    if (kind == MATT) {
      light += share * lampLight(hit.at, hit.up);
      let sum = hit.up + direction();
      start = outside;
      along = select(normalize(sum), hit.up, dot(sum, sum) < 1e-12);
    } else if (kind == METAL) {
      let blurred = normalize(mirrored + 0.999 * number * direction());
      start = outside;
      along = select(mirrored, blurred, dot(blurred, hit.up) > 0.0);
    } else {
      let ratio = select(1.0 / number, number, hit.isInside);
      let facing = min(1.0, -dot(along, hit.up));
      let across = 1.0 - ratio * ratio * (1.0 - facing * facing);
      let head = ((1.0 - ratio) / (1.0 + ratio)) * ((1.0 - ratio) / (1.0 + ratio));
      let rest = 1.0 - facing;
      let reflected = head + (1.0 - head) * rest * rest * rest * rest * rest;
      var isMirrored = across < 0.0;
      if (!isMirrored) { isMirrored = chance() < reflected; } // no number is drawn if all light is mirrored
      if (isMirrored) {
        start = outside;
        along = mirrored;
      } else {
        start = hit.at - GAP * hit.up;
        along = normalize(ratio * along + (ratio * facing - sqrt(across)) * hit.up);
      }
    }
  }
  return light;
}

@compute @workgroup_size(${WORKGROUP}, ${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= frame.square.z || id.y >= frame.square.w) { return; }
  let x = frame.square.x + id.x;
  let y = frame.square.y + id.y;
  let pixel = y * frame.width + x;
  var total = vec3f(0.0);
  for (var n = 0u; n < frame.samples; n++) {
    state = mixed(mixed(mixed(frame.seed) + pixel) + frame.firstSample + n);
    let width = f32(frame.width);
    let height = f32(frame.height);
    let across = ((f32(x) + chance()) / width - 0.5) * frame.viewHeight * width / height;
    let down = ((f32(y) + chance()) / height - 0.5) * frame.viewHeight;
    total += tracePath(frame.eye, normalize(frame.ahead + across * frame.right - down * frame.above));
  }
  sums[id.y * frame.square.z + id.x] += vec4f(total, 0.0);
}
`;
