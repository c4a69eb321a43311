// A participant with media and data but no browser: libdatachannel does ICE, DTLS, SRTP and SCTP, this file the
// signalling. RTP packets are made and read by hand, so a test sees every byte.
import { DataPacket, TrackSource, TrackType } from '@livekit/protocol';
import datachannel from 'node-datachannel';
import { until } from './server.mjs';
import { Signal } from './signal.mjs';

const codecs = {
    opus: { kind: 'audio', pt: 111, clock: 48000, add: (m, pt) => m.addOpusCodec(pt) },
    vp8: { kind: 'video', pt: 96, clock: 90000, add: (m, pt) => m.addVP8Codec(pt) },
    h264: { kind: 'video', pt: 102, clock: 90000, add: (m, pt) => m.addH264Codec(pt) },
    vp9: { kind: 'video', pt: 98, clock: 90000, add: (m, pt) => m.addVP9Codec(pt) },
    av1: { kind: 'video', pt: 45, clock: 90000, add: (m, pt) => m.addAV1Codec(pt) },
};

/** @returns {{pt, marker, seq, timestamp, ssrc, payload: Buffer}} */
export function readRtp(b) {
    let at = 12 + 4 * (b[0] & 15);
    if (b[0] & 16) at += 4 + 4 * b.readUInt16BE(at + 2);
    const end = b[0] & 32 ? b.length - b[b.length - 1] : b.length;
    return {
        pt: b[1] & 127,
        marker: b[1] >> 7,
        seq: b.readUInt16BE(2),
        timestamp: b.readUInt32BE(4),
        ssrc: b.readUInt32BE(8),
        payload: b.subarray(at, end),
    };
}

export const isRtcp = (b) => b[1] >= 192 && b[1] <= 223;

/** A VP8 payload: descriptor with a 15-bit picture id, then the start of a frame. */
export function vp8Payload(picture, key, size = 200) {
    const b = Buffer.alloc(size, picture);
    b[0] = 0x90; // X, S
    b[1] = 0x80; // I
    b.writeUInt16BE(0x8000 | (picture & 0x7fff), 2);
    b[4] = key ? 0x10 : 0x11; // RFC 6386, section 9.1: P is 0 in key frames
    if (key) Buffer.from([0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00]).copy(b, 7);
    return b;
}

const LEVEL_ID = 1;

/** RFC 8285, one-byte form, with the level of RFC 6464. */
function levelExtension(level) {
    return Buffer.from([0xbe, 0xde, 0, 1, LEVEL_ID << 4, 0x80 | level, 0, 0]);
}

const peers = new Set();

export class Peer {
    #sections = 0;

    /**
     * Joins with publish (a list of codec names) and receive ({audio, video}: numbers of sections, codecs: which).
     * form: 'v1', 'request' or 'two'. through: changes the answer before it is used; shape: gets what describes a track
     * of ours, to add to it. The result has media and data up.
     */
    static async join(server, { receive = { audio: 2, video: 2 }, publish = [], form = 'v1', wait = true, ...options }) {
        const p = new Peer();
        peers.add(p);
        p.server = server;
        p.options = { ...options, form };
        p.identity = options.identity;
        p.packets = []; // DataPackets that came, in order
        p.raw = []; // the same as bytes
        p.tracks = new Map(); // what we receive, by mid: {track, rtp: [...], kind}
        p.sent = []; // what we publish
        p.offerId = 0;
        p.pc = p.#connection(`${p.identity} publisher`);
        p.channels = {};
        for (const [label, settings] of [
            ['_reliable', {}],
            ['_lossy', { unordered: true, maxRetransmits: 0 }],
        ])
            p.#channel((p.channels[label] = p.pc.createDataChannel(label, settings)));
        if (form !== 'two') {
            for (let i = 0; i < (receive.audio ?? 0); i++) p.#receive('audio', ['opus']);
            for (let i = 0; i < (receive.video ?? 0); i++) p.#receive('video', receive.codecs ?? ['vp8', 'h264', 'vp9', 'av1']);
        }
        const media = publish.map((codec) => p.#send(codec));
        const offer = p.#offer();
        p.signal = await Signal.join(server, {
            ...p.options,
            offer: form === 'two' ? undefined : offer,
            offerId: form === 'two' ? undefined : ++p.offerId,
        });
        p.sid = p.signal.sid;
        p.#follow();
        for (const m of media) p.announce(m);
        if (form === 'two') p.signal.send('offer', { type: 'offer', sdp: offer, id: ++p.offerId });
        if (wait) await p.ready();
        return p;
    }

    async ready() {
        try {
            await until('connection and channels', () => this.#open());
        } catch (e) {
            throw new Error(`${this.identity}: ${e.message} ${JSON.stringify(this.story())}`);
        }
        for (const m of this.sent) await until(`${this.identity}: ${m.codec} published`, () => m.sid);
        return this;
    }

    /** How things stand, for messages of tests that failed. */
    story() {
        const of = (pc, channels) =>
            pc && {
                state: pc.state(),
                ice: pc.iceState(),
                signaling: pc.signalingState(),
                open: Object.keys(channels ?? {}).filter((k) => channels[k].isOpen()),
            };
        return {
            publisher: of(this.pc, this.channels),
            subscriber: of(this.subscriber, this.incoming),
            messages: this.signal?.messages.map((m) => m.case).join(' '),
        };
    }

    #open() {
        const open = (c) => c['_reliable']?.isOpen() && c['_lossy']?.isOpen();
        if (this.pc.state() !== 'connected' || !open(this.channels)) return false;
        return this.options.form !== 'two' || !this.signal.join.subscriberPrimary || open(this.incoming ?? {});
    }

    #connection(name) {
        const pc = new datachannel.PeerConnection(name, {
            iceServers: [],
            bindAddress: '127.0.0.1',
            disableAutoNegotiation: true,
            disableFingerprintVerification: false,
            maxMessageSize: 65536,
        });
        pc.onStateChange((state) => (this.state = state));
        return pc;
    }

    #channel(c) {
        c.onMessage((data) => {
            const bytes = Buffer.from(data);
            this.raw.push(bytes);
            this.packets.push(DataPacket.fromBinary(bytes));
        });
    }

    #media(kind, direction) {
        const Media = kind === 'audio' ? datachannel.Audio : datachannel.Video;
        return new Media(String(this.#sections++), direction);
    }

    #collect(track, mid, kind) {
        const mine = { track, kind, rtp: [], rtcp: [] };
        this.tracks.set(mid, mine);
        track.onMessage((b) => (isRtcp(b) ? mine.rtcp : mine.rtp).push(isRtcp(b) ? Buffer.from(b) : readRtp(Buffer.from(b))));
    }

    #receive(kind, names) {
        const m = this.#media(kind, 'RecvOnly');
        for (const n of names) codecs[n].add(m, codecs[n].pt);
        const mid = m.mid();
        this.#collect(this.pc.addTrack(m), mid, kind);
    }

    #send(name) {
        const { kind, pt, clock, add } = codecs[name];
        const m = this.#media(kind, 'SendOnly');
        const mine = {
            codec: name,
            kind,
            pt,
            clock,
            cid: `${this.identity}-${name}-${this.#sections}`,
            ssrc: 1 + Math.floor(Math.random() * 0xfffffffe),
            seq: Math.floor(Math.random() * 0x10000),
            timestamp: Math.floor(Math.random() * 0x100000000),
            picture: 0,
            rtcp: [],
        };
        add(m, pt);
        if (kind === 'audio') m.parseSdpLine(`a=extmap:${LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level`);
        this.options.shape?.(m, name);
        m.addSSRC(mine.ssrc, 'cname', 'stream', mine.cid);
        mine.mid = m.mid();
        mine.track = this.pc.addTrack(m);
        mine.track.onMessage((b) => mine.rtcp.push(Buffer.from(b)));
        this.sent.push(mine);
        return mine;
    }

    announce(m, more = {}) {
        const video = m.kind === 'video';
        this.signal.send('addTrack', {
            cid: m.cid,
            name: m.codec,
            type: video ? TrackType.VIDEO : TrackType.AUDIO,
            source: video ? TrackSource.CAMERA : TrackSource.MICROPHONE,
            width: video ? 320 : 0,
            height: video ? 240 : 0,
            layers: video ? [{ quality: 2, width: 320, height: 240, bitrate: 200000 }] : [],
            ...more,
        });
        this.signal.next('trackPublished', (t) => t.cid === m.cid).then(
            (t) => Object.assign(m, { sid: t.track.sid, published: t.track }),
            () => {}, // ready() tells
        );
    }

    #offer() {
        this.pc.setLocalDescription('offer');
        return this.pc.localDescription().sdp;
    }

    /** Offers as things are now. */
    negotiate() {
        this.signal.send('offer', { type: 'offer', sdp: this.#offer(), id: ++this.offerId });
    }

    /** Takes what the server says of connections. */
    #follow() {
        const signal = this.signal;
        let at = 0;
        const look = () => {
            while (at < signal.messages.length && !this.over) {
                const m = signal.messages[at++];
                if (m.case === 'answer' && m.value.id === this.offerId) {
                    this.answer = m.value;
                    const through = this.options.through ?? ((sdp) => sdp);
                    this.pc.setRemoteDescription(through(m.value.sdp), 'answer');
                } else if (m.case === 'mediaSectionsRequirement') {
                    for (let i = 0; i < m.value.numAudios; i++) this.#receive('audio', ['opus']);
                    for (let i = 0; i < m.value.numVideos; i++) this.#receive('video', ['vp8', 'h264', 'vp9', 'av1']);
                    this.negotiate();
                } else if (m.case === 'offer' && !this.hold) this.answerTo(m.value);
            }
        };
        signal.waiting.add(look);
        look();
    }

    /** Answers an offer of the server's (two connections). Comes by itself unless hold is set. */
    answerTo(offer, id = offer.id) {
        if (!this.subscriber) {
            this.subscriber = this.#connection(`${this.identity} subscriber`);
            this.incoming = {};
            this.subscriber.onDataChannel((c) => {
                this.#channel(c);
                this.incoming[c.getLabel()] = c;
            });
            this.subscriber.onTrack((t) => this.#collect(t, t.mid(), t.type()));
        }
        this.midMap = offer.midToTrackId;
        this.subscriber.setRemoteDescription(offer.sdp, 'offer');
        this.subscriber.setLocalDescription('answer');
        const answer = this.subscriber.localDescription();
        this.signal.send('answer', { type: 'answer', sdp: answer.sdp, id });
    }

    /** Takes over a new socket after a resume. */
    adopt(signal) {
        signal.join = this.signal.join;
        this.signal = signal;
        this.#follow();
    }

    /**
     * Sends n packets of a track of ours, one frame each; every 30th frame of video is a key frame. level: how loud
     * the sound is, in -dBov, told in the extension of RFC 6464.
     */
    rtp(m, n = 1, level) {
        for (let i = 0; i < n; i++) {
            const frame = m.kind === 'video' ? vp8Payload(m.picture, m.picture % 30 === 0) : Buffer.alloc(40, 0xfc);
            const body = level === undefined ? frame : Buffer.concat([levelExtension(level), frame]);
            const b = Buffer.alloc(12 + body.length);
            b[0] = level === undefined ? 0x80 : 0x90;
            b[1] = m.pt | 0x80;
            b.writeUInt16BE(m.seq & 0xffff, 2);
            b.writeUInt32BE(m.timestamp >>> 0, 4);
            b.writeUInt32BE(m.ssrc, 8);
            body.copy(b, 12);
            m.seq++;
            m.picture++;
            m.timestamp += m.clock / 50;
            m.track.sendMessageBinary(b);
        }
    }

    /** Sends on all tracks, 50 packets a second each, until the result is called. */
    stream(level) {
        const timer = setInterval(() => {
            try {
                for (const m of this.sent) if (m.sid && m.track.isOpen()) this.rtp(m, 1, m.kind === 'audio' ? level : undefined);
            } catch (e) {
                if (!/is closed|is not open/.test(e.message)) throw e; // it can close at any time, on a thread of its own
            }
        }, 20);
        this.stops = [...(this.stops ?? []), () => clearInterval(timer)];
        return this.stops.at(-1);
    }

    /** Where a track of somebody's arrives: {track, kind, rtp}. */
    incomingTrack(sid) {
        const map = this.options.form === 'two' ? this.midMap : this.answer?.midToTrackId;
        const mid = Object.entries(map ?? {}).find(([, s]) => s === sid)?.[0];
        return mid === undefined ? undefined : this.tracks.get(mid);
    }

    /** Waits for n more packets of a track of somebody's. */
    async receives(sid, n = 10) {
        const before = this.incomingTrack(sid)?.rtp.length ?? 0;
        await until(`${this.identity} gets ${n} packets of ${sid}`, () => this.incomingTrack(sid)?.rtp.length >= before + n);
        return this.incomingTrack(sid).rtp;
    }

    /** Asks for a key frame of a track that we receive (RFC 4585, section 6.3.1). */
    pli(sid) {
        const incoming = this.incomingTrack(sid);
        const b = Buffer.from([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
        b.writeUInt32BE(incoming.rtp.at(-1).ssrc, 8);
        return incoming.track.sendMessageBinary(b);
    }

    /** Sends a DataPacket; label: '_reliable' or '_lossy'. */
    data(packet, label = '_reliable') {
        return this.channels[label].sendMessageBinary(Buffer.from(new DataPacket(packet).toBinary()));
    }

    text(payload, more = {}, label = '_reliable') {
        return this.data({ value: { case: 'user', value: { payload: Buffer.from(payload), ...more } } }, label);
    }

    /** Payloads of user packets that came, as text. */
    texts() {
        return this.packets.filter((p) => p.value.case === 'user').map((p) => Buffer.from(p.value.value.payload).toString());
    }

    async leave() {
        this.over = true;
        await this.signal.leave();
        this.close();
    }

    /** Ends the connections; the signal stays as it is. */
    close() {
        this.over = true;
        for (const stop of this.stops ?? []) stop();
        this.pc.close();
        this.subscriber?.close();
        peers.delete(this);
    }
}

/** Ends what a test program left open, after its server has stopped: it would not end otherwise. */
export function allDone() {
    for (const p of peers) p.close();
    for (const s of Signal.opened) s.ws.terminate();
    datachannel.cleanup();
}
