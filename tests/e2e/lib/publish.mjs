// Tracks without media: announced, and negotiated with an offer that a browser made. That is all it takes for others
// to hear of them.
import { TrackSource, TrackType } from '@livekit/protocol';
import { recorded, trackIds } from './sdp.mjs';

export const publishOffer = recorded('chromium-156-publish-offer');
export const cids = { audio: trackIds(publishOffer).audio[0], video: trackIds(publishOffer).video[0] };

export const layers = [
    { quality: 0, width: 320, height: 180, bitrate: 150000 },
    { quality: 1, width: 640, height: 360, bitrate: 500000 },
    { quality: 2, width: 1280, height: 720, bitrate: 1700000 },
];

export function addAudio(s, more = {}) {
    s.send('addTrack', { cid: cids.audio, name: 'mic', type: TrackType.AUDIO, source: TrackSource.MICROPHONE, ...more });
}

export function addVideo(s, more = {}) {
    s.send('addTrack', {
        cid: cids.video,
        name: 'cam',
        type: TrackType.VIDEO,
        source: TrackSource.CAMERA,
        width: 1280,
        height: 720,
        layers,
        simulcastCodecs: [{ codec: 'vp8', cid: cids.video, layers }],
        ...more,
    });
}

export function offer(s, id, sdp = publishOffer) {
    s.send('offer', { type: 'offer', sdp, id });
    return s.next('answer', (a) => a.id === id);
}

/** Publishes a microphone and a camera; the tracks as the server told them. */
export async function publishBoth(s, id = 1) {
    addAudio(s);
    addVideo(s);
    const audio = (await s.next('trackPublished', (t) => t.cid === cids.audio)).track;
    const video = (await s.next('trackPublished', (t) => t.cid === cids.video)).track;
    return { audio, video, answer: await offer(s, id) };
}
