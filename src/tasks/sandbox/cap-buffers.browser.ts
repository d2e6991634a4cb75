// Caps the memory that a program's buffers hold. Buffers lie outside the engine's own heap, where nothing else limits
// them. Like the rest of the sandbox's worker, this code is sent as source text, so `capBuffers` uses nothing outside
// itself.

export interface BufferAccount {
  /**
   * To be called between two inputs. Returns whether the program has to wait for a turn of the worker's event loop
   * before it goes on.
   */
  turn(): boolean;
}

/**
 * Wraps every constructor and method in `scope` that gives a program a buffer. The wrappers count bytes, and throw a
 * RangeError if the new buffer and the buffers that are still alive would together exceed `memoryBytes`. To be called
 * at least one turn of the event loop before the program begins.
 *
 * The difficulty is to find out which buffers are still alive. A worker cannot ask how much memory it uses, and a
 * FinalizationRegistry reports nothing before the turn ends. There is one way within a turn: a WeakRef that was made in
 * an earlier turn. It can be read at any time, and reads as undefined once its target was collected. But it can be read
 * only once to any effect, because reading a living target keeps that target alive until the turn ends.
 *
 * Therefore consecutive buffers form a *group* of about a sixteenth of the cap, and each group gets several *beads*:
 * small objects that were made in an earlier turn, each with a WeakRef to it. Only the buffers of the group keep its
 * beads alive (the beads are the value that a WeakMap holds for each of these buffers). If the count exceeds the cap,
 * the engine is made to collect garbage, and one bead of each group is read. If that bead is gone, all buffers of the
 * group are gone, and their bytes are subtracted. If it is there, the group is alive, and the next look reads its next
 * bead. A group that has no unread bead, or never got any because the stock of beads was used up in its turn, goes on
 * counting as alive. Each new turn refills the stock.
 */
export function capBuffers(scope: object, memoryBytes: number): BufferAccount {
  /**
   * Buffers of at most this many bytes lie in the engine's heap, which has a limit of its own. They are not counted.
   */
  const SMALL_BYTES = 64;
  /**
   * Sets of beads that are in stock at the beginning of a turn: enough for a program that drops 100 times its memory in
   * a turn.
   */
  const GROUPS = 2048;
  /** Beads of a group: how often one group can be looked at in a turn. */
  const LOOKS = 8;
  /** Bytes of a group. */
  const GROUP_BYTES = memoryBytes / 16;
  /**
   * Looks before a buffer is refused: now and then a dead buffer is still held by a register, or by marking that was
   * under way.
   */
  const TRIES = 2;
  /**
   * If the engine does not collect although it is asked to, nothing is known of which buffers are alive: a busy machine
   * collects late. Then this many times the cap is allowed, and in any case the harmless number of bytes.
   */
  const UNKNOWN = 4;
  const HARMLESS_BYTES = 64 * 1024 * 1024;
  /** To make the engine collect, buffers of this size are allocated; as many as `PUSHED` are kept at once. */
  const PUSH_BYTES = 64 * 1024 * 1024;
  const PUSHED = 2;
  /** Such allocations for one look at most, and in one turn. */
  const PUSHES = 32;
  const PROBES = 4096;
  const KINDS = "Int8 Uint8 Uint8Clamped Int16 Uint16 Int32 Uint32 BigInt64 BigUint64 Float32 Float64".split(" ");

  /**
   * Buffers that are counted together. `looks` are weak references to its beads; `next` is the first that was not read
   * yet.
   */
  interface Group {
    readonly looks: readonly WeakRef<object>[];
    next: number;
    bytes: number;
  }
  /** The beads of a group to come. */
  interface Stock {
    readonly beads: object;
    readonly looks: readonly WeakRef<object>[];
  }
  // Copies of the built-ins, because the program may replace the originals.
  const { Reflect, Object, Proxy, RangeError, WeakMap, WeakRef, ArrayBuffer, Number, isFinite } = globalThis;
  const { apply, construct, defineProperty, deleteProperty, get } = Reflect;
  const { max } = globalThis.Math;
  const views = Reflect.getPrototypeOf(Uint8Array.prototype) as object; // the prototype that all typed arrays share
  // oxlint-disable-next-line typescript/unbound-method -- it is applied to each view
  const getterOf = (name: string) => Object.getOwnPropertyDescriptor(views, name)?.get as () => unknown;
  const [bufferOf, bytesOf] = [getterOf("buffer"), getterOf("byteLength")];
  // oxlint-disable-next-line typescript/unbound-method -- it is applied to each reference
  const { deref } = WeakRef.prototype;
  /** By buffer, the beads of its group: this is all that keeps beads alive. */
  const kept = new WeakMap<object, object>();
  const keep = kept.set.bind(kept);

  /** Bytes of all groups. */
  let total = 0;
  /**
   * The first `count` entries are in use. Arrays are written by index, because the program may replace their methods.
   */
  let groups: Group[] = [];
  let count = 0;
  /** The group that new buffers join, until it is full. */
  let current: { readonly group: Group; readonly beads: object | undefined } | undefined;
  const stock: (Stock | undefined)[] = [];
  let stocked = 0;
  /** Objects that die once they are taken from here: their weak references show that a collection has happened. */
  const probes: ({ readonly held: object; readonly look: WeakRef<object> } | undefined)[] = [];
  let probed = 0;

  /** Makes new probes and beads, which can be read from the next turn on. */
  const refill = (): void => {
    for (; probed < PROBES; probed++) {
      const held = {};
      probes[probed] = { held, look: new WeakRef(held) };
    }
    for (; stocked < GROUPS; stocked++) {
      const beads: object[] = [];
      const looks: WeakRef<object>[] = [];
      for (let n = 0; n < LOOKS; n++) looks[n] = new WeakRef((beads[n] = {}));
      stock[stocked] = { beads, looks };
    }
  };

  /**
   * Makes the engine collect garbage. Returns false if it does not.
   *
   * Engines collect when much memory lies outside their heap, so large buffers are allocated; they are never written
   * to, so they take no real memory. A buffer that is dropped at once would be freed together with the youngest
   * objects, without a look at the rest of the heap. Therefore each is kept until some more were made. With each
   * allocation a probe is dropped: if it is found dead, the whole heap was collected. That has to be seen twice,
   * because objects that were made while the engine marked survive the first time.
   */
  const collect = (): boolean => {
    const pushed: object[] = [];
    for (let n = 0, times = 0; n < PUSHES && probed > 0; n++) {
      const probe = probes[--probed]?.look;
      probes[probed] = undefined; // from now on nothing holds its object
      pushed[n % PUSHED] = construct(ArrayBuffer, [PUSH_BYTES]) as object;
      if (probe !== undefined && apply(deref, probe, []) === undefined && ++times === 2) return true;
    }
    return false;
  };

  /**
   * Reads one bead of each group, and subtracts the groups whose bead is gone. Returns false if the engine did not
   * collect.
   */
  const look = (): boolean => {
    if (!collect()) return false;
    current = undefined;
    const living: Group[] = [];
    let alive = 0;
    total = 0;
    for (let at = 0; at < count; at++) {
      const group = groups[at] as Group; // within the count
      const next = group.looks[group.next++];
      if (next !== undefined && apply(deref, next, []) === undefined) continue;
      living[alive++] = group;
      total += group.bytes;
    }
    groups = living;
    count = alive;
    return true;
  };

  /** Throws a RangeError if there is no room for this many bytes more. */
  const room = (bytes: number): void => {
    let isKnown = false;
    for (let n = 0; n < TRIES; n++) {
      if (total + bytes <= memoryBytes) return;
      isKnown = look() || isKnown;
    }
    const most = isKnown ? memoryBytes : max(UNKNOWN * memoryBytes, HARMLESS_BYTES);
    if (total + bytes > most) throw new RangeError("the program's buffers are over the task's memory");
  };

  /** Counts a buffer that was made. */
  const charge = (buffer: object, bytes: number): void => {
    if (bytes <= SMALL_BYTES) return;
    if (current === undefined) {
      const taken = stocked > 0 ? stock[--stocked] : undefined;
      stock[stocked] = undefined; // from now on only the buffers of the group keep the beads
      const group: Group = { looks: taken?.looks ?? [], next: 0, bytes: 0 };
      groups[count++] = group;
      current = { group, beads: taken?.beads };
    }
    if (current.beads !== undefined) keep(buffer, current.beads);
    current.group.bytes += bytes;
    total += bytes;
    if (current.group.bytes > GROUP_BYTES) current = undefined;
    room(0);
  };
  /** Counts the buffer of a view, unless the program had given that buffer itself. */
  const chargeView = (view: object, given?: unknown): void => {
    const buffer = apply(bufferOf, view, []) as object; // by the engine's own getters
    if (buffer !== given) charge(buffer, apply(bytesOf, view, []) as number);
  };

  const size = (value: unknown): number => {
    const number = Number(value);
    return isFinite(number) ? number : 0;
  };
  const replace = (name: string, original: { readonly prototype: object }, wrapped: object): void => {
    defineProperty(scope, name, { value: wrapped, writable: true, configurable: true });
    defineProperty(original.prototype, "constructor", { value: wrapped });
  };

  replace(
    "ArrayBuffer",
    ArrayBuffer,
    new Proxy(ArrayBuffer, {
      construct(target, [length, options]: [unknown, { maxByteLength?: unknown } | undefined], self) {
        // Each property is read once: a getter of the program could return something else the second time.
        const most = options === undefined ? undefined : size(options.maxByteLength);
        const given = Number(length);
        const bytes = max(size(given), most ?? 0);
        room(bytes);
        const made = construct(target, most === undefined ? [given] : [given, { maxByteLength: most }], self) as object;
        charge(made, bytes);
        return made;
      },
    }),
  );
  for (const name of ["transfer", "transferToFixedLength", "transferToImmutable", "sliceToImmutable"])
    deleteProperty(ArrayBuffer.prototype, name); // the copy that they make may have any size

  for (const kind of KINDS) {
    const original: unknown = get(scope, `${kind}Array`);
    if (typeof original !== "function") continue;
    const width = size(get(original, "BYTES_PER_ELEMENT"));
    for (const name of ["fromBase64", "fromHex"]) deleteProperty(original, name);
    const wrapped = new Proxy(original, {
      construct(target, args: unknown[], self) {
        const [first] = args;
        const isLength = typeof first !== "object" || first === null;
        const length = isLength ? Number(first ?? 0) : size(get(first, "length")); // a buffer has no length, and is counted already
        if (width * length > SMALL_BYTES) room(width * length);
        const made = construct(target, isLength ? [length] : args, self) as object;
        chargeView(made, first);
        return made;
      },
    });
    replace(`${kind}Array`, original, wrapped);
  }
  for (const name of ["toSorted", "toReversed", "with"]) {
    const method: unknown = get(views, name);
    if (typeof method !== "function") continue;
    // They copy by the original constructor, whatever constructor the prototype names.
    const counted = function (this: object, ...args: unknown[]): unknown {
      room(apply(bytesOf, this, []) as number);
      const made = apply(method, this, args) as object;
      chargeView(made);
      return made;
    };
    defineProperty(views, name, { value: counted, writable: true, configurable: true });
  }
  refill();

  return {
    turn(): boolean {
      if (count === 0) return false;
      refill();
      return true;
    },
  };
}
