// Connects two WebRTC connections of one page to each other, without a relay.

/** Negotiates everything that was opened on `near` so far. */
export async function connectPeers(near: RTCPeerConnection, far: RTCPeerConnection): Promise<void> {
  near.addEventListener("icecandidate", ({ candidate }) => candidate && void far.addIceCandidate(candidate));
  far.addEventListener("icecandidate", ({ candidate }) => candidate && void near.addIceCandidate(candidate));
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription as RTCSessionDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription as RTCSessionDescription);
}
