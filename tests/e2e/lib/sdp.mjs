// Offers that browsers made, for clients that only talk.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const corpus = fileURLToPath(new URL('../../fuzz/corpus/sdp/', import.meta.url));

/** A recorded description: 'chromium-156-join-offer' and the like. */
export function recorded(name) {
    return readFileSync(`${corpus}${name}.sdp`, 'utf8');
}

/** Sections of a description: [{kind, mid, direction, lines}]. */
export function sections(sdp) {
    return sdp
        .split(/\r?\n(?=m=)/)
        .slice(1)
        .map((text) => {
            const lines = text.split(/\r?\n/);
            return {
                kind: lines[0].slice(2).split(' ')[0],
                port: Number(lines[0].split(' ')[1]),
                formats: lines[0].split(' ').slice(3),
                mid: lines.find((l) => l.startsWith('a=mid:'))?.slice(6),
                direction: lines.find((l) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.test(l))?.slice(2),
                msid: lines.find((l) => l.startsWith('a=msid:'))?.slice(7),
                lines,
            };
        });
}

/** {payload type: "opus/48000/2"} of a section. */
export function formats(section) {
    const out = {};
    for (const l of section.lines) {
        const found = /^a=rtpmap:(\d+) (.*)$/.exec(l);
        if (found) out[found[1]] = found[2];
    }
    return out;
}

/** The track ids of an offer: {audio: [...], video: [...]}. */
export function trackIds(sdp) {
    const out = { audio: [], video: [] };
    for (const s of sections(sdp)) if (s.msid && out[s.kind]) out[s.kind].push(s.msid.split(' ')[1]);
    return out;
}
