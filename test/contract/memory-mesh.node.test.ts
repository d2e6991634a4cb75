// The mesh contract over meshes in memory: the one for tests, and the loopback by which a peer reaches itself.
import { LoopbackMesh } from "../../src/mesh/memory/loopback-mesh.ts";
import { MemoryNetwork } from "../../src/mesh/memory/memory-mesh.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { describeMeshContract } from "./mesh-contract.ts";

const network = new MemoryNetwork();
const caller = network.join(asPeerId("caller"));
const callee = network.join(asPeerId("callee"));
let mortals = 0;

describeMeshContract("MemoryMesh", () => ({
  caller,
  callee,
  mortal: async () => {
    const mesh = network.join(asPeerId(`mortal-${++mortals}`));
    return { mesh, kill: () => network.cut(mesh.self) };
  },
}));

const loopback = new LoopbackMesh(network.join(asPeerId("self")));
describeMeshContract("LoopbackMesh to itself", () => ({ caller: loopback, callee: loopback, mortal: undefined }));

const around = new LoopbackMesh(network.join(asPeerId("around")));
const other = new LoopbackMesh(network.join(asPeerId("other")));
describeMeshContract("LoopbackMesh to others", () => ({ caller: around, callee: other, mortal: undefined }));
