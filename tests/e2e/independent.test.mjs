// timeout: 240
// Stacks that share no code with each other or with the server: libwebrtc through LiveKit's Rust SDK, werift, which is
// all TypeScript, and libdatachannel. Each takes ICE, DTLS and SRTP to the end, in both directions, with real media.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
    AudioFrame,
    AudioSource,
    AudioStream,
    LocalAudioTrack,
    LocalVideoTrack,
    Room,
    RoomEvent,
    TrackKind,
    TrackPublishOptions,
    TrackSource,
    VideoBufferType,
    VideoFrame,
    VideoSource,
    VideoStream,
    dispose,
} from '@livekit/rtc-node';
import datachannel from 'node-datachannel';
import * as werift from 'werift';
import { openChromium } from './lib/browsers.mjs';
import { Person } from './lib/call.mjs';
import { allDone, isRtcp, readRtp } from './lib/peer.mjs';
import { Server, token, until } from './lib/server.mjs';

const WIDTH = 640;
const HEIGHT = 360;
const RATE = 48000;

let server, chromium;
const opened = new Set(); // what a test that failed leaves open

before(async () => {
    server = await Server.start();
    chromium = await openChromium();
});

after(async () => {
    await chromium?.close();
    for (const o of opened) await o.close();
    const status = await server?.stop();
    await dispose();
    allDone();
    assert.equal(status?.code, 0, server?.log);
});

/* ---- libwebrtc by @livekit/rtc-node ---- */

/** A grey picture with a bright bar that moves. */
function barAt(n) {
    const data = new Uint8Array((WIDTH * HEIGHT * 3) / 2).fill(128);
    data.fill(40, 0, WIDTH * HEIGHT);
    const x = (n * 8) % (WIDTH - 32);
    for (let y = 0; y < HEIGHT; y++) data.fill(230, y * WIDTH + x, y * WIDTH + x + 32);
    return new VideoFrame(data, WIDTH, HEIGHT, VideoBufferType.I420);
}

/** 10 ms of 440 Hz. */
function tone(n) {
    const samples = RATE / 100;
    const data = Int16Array.from({ length: samples }, (_, i) => 8000 * Math.sin((2 * Math.PI * 440 * (n * samples + i)) / RATE));
    return new AudioFrame(data, RATE, 1, samples);
}

/** Where the bar is: the middle of the bright columns of one line, and how much of the line is bright. */
function findBar({ data, width, height }) {
    const line = data.subarray((height >> 1) * width, ((height >> 1) + 1) * width);
    let sum = 0;
    let count = 0;
    line.forEach((v, x) => {
        if (v < 135) return;
        sum += x;
        count++;
    });
    return { x: Math.round(sum / count), share: count / width };
}

class Native {
    static async join(room, identity) {
        const n = new Native();
        opened.add(n);
        n.identity = identity;
        n.room = new Room();
        n.from = {}; // what is received, by identity
        n.data = [];
        n.readers = [];
        n.errors = [];
        n.room.on(RoomEvent.TrackSubscribed, (track, _, participant) => n.#read(track, participant.identity));
        n.room.on(RoomEvent.DataReceived, (payload, from, _, topic) =>
            n.data.push({ text: Buffer.from(payload).toString(), from: from?.identity, topic }),
        );
        await n.room.connect(server.ws, await token(identity, room.code, {}, { name: identity }), { autoSubscribe: true });
        return n;
    }

    #read(track, identity) {
        const got = (this.from[identity] ??= { sizes: [], bars: [], sums: new Set(), energy: 0, samples: 0, crossings: 0 });
        const video = track.kind === TrackKind.KIND_VIDEO;
        const reader = (video ? new VideoStream(track) : new AudioStream(track, RATE, 1)).getReader();
        this.readers.push(reader);
        const pump = async () => {
            for (;;) {
                const { done, value } = await reader.read();
                if (done) return;
                if (video) this.#picture(got, value.frame);
                else this.#sound(got, value.data);
            }
        };
        pump().catch((e) => this.errors.push(e));
    }

    #picture(got, frame) {
        got.sizes.push(`${frame.width}x${frame.height}`);
        let sum = 0;
        for (let i = 0; i < frame.data.length; i += 97) sum = (sum * 31 + frame.data[i]) >>> 0;
        got.sums.add(sum);
        if (frame.width !== WIDTH) return;
        assert.equal(frame.type, VideoBufferType.I420);
        got.bars.push(findBar(frame));
    }

    #sound(got, data) {
        for (let i = 0; i < data.length; i++) {
            got.energy += data[i] * data[i];
            if (i && data[i - 1] < 0 && data[i] >= 0 && data[i] - data[i - 1] > 50) got.crossings++;
        }
        got.samples += data.length;
    }

    /** Publishes the bar and the tone until it closes. */
    async publish() {
        this.video = new VideoSource(WIDTH, HEIGHT);
        this.audio = new AudioSource(RATE, 1);
        let frames = 0;
        const show = () => this.video.captureFrame(barAt(frames++));
        show(); // before it is published: until its first picture a source sends black ones
        this.timer = setInterval(show, 1000 / 20);
        const me = this.room.localParticipant;
        const options = (source) => new TrackPublishOptions({ source, simulcast: false });
        await me.publishTrack(LocalVideoTrack.createVideoTrack('bar', this.video), options(TrackSource.SOURCE_CAMERA));
        await me.publishTrack(LocalAudioTrack.createAudioTrack('tone', this.audio), options(TrackSource.SOURCE_MICROPHONE));
        const play = async () => {
            for (let n = 0; !this.over; n++) await this.audio.captureFrame(tone(n));
        };
        this.playing = play();
    }

    async close() {
        opened.delete(this);
        this.over = true;
        clearInterval(this.timer);
        await this.playing;
        for (const r of this.readers) await r.cancel();
        await this.room.disconnect();
        await this.audio?.close();
        await this.video?.close();
        assert.deepEqual(this.errors, []);
    }
}

test('rtc-node: two of them and a browser see, hear and write to each other', async () => {
    const room = await server.createRoom();
    const ada = await Person.join(chromium, server, room, 'Ada');
    const adaId = await ada.page.evaluate(() => window.fanlight.room.localParticipant.identity);
    const sender = await Native.join(room, 'sender');
    const watcher = await Native.join(room, 'watcher');
    await sender.publish();

    const got = await until('the bar at the watcher', () => watcher.from.sender?.bars.length > 30 && watcher.from.sender);
    assert.deepEqual([...new Set(got.sizes)], [`${WIDTH}x${HEIGHT}`]);
    assert.ok(new Set(got.bars.map((b) => b.x)).size > 10, `the bar moves: ${JSON.stringify(got.bars.slice(0, 40))}`);
    for (const b of got.bars) assert.ok(b.share > 0.02 && b.share < 0.12, `one bar in each: ${JSON.stringify(got.bars)}`);
    await until('two seconds of sound at the watcher', () => got.samples > 2 * RATE);
    assert.ok(Math.sqrt(got.energy / got.samples) > 1000, `loud: ${got.energy} of ${got.samples}`);
    const hertz = (got.crossings * RATE) / got.samples;
    assert.ok(hertz > 200 && hertz < 480, `crossings a second: ${hertz}`);

    await ada.sees('sender', 'camera', 20);
    await ada.hears('sender');
    assert.equal((await ada.received()).sender.camera.width, WIDTH);
    for (const n of [sender, watcher])
        await until(`the camera of Ada at ${n.identity}`, () => n.from[adaId]?.sizes.length > 20 && n.from[adaId].sums.size > 5);
    await until('the microphone of Ada at the watcher', () => watcher.from[adaId].energy > 1e6);

    await ada.page.evaluate(() => {
        window.got = [];
        window.fanlight.room.on('dataReceived', (payload, from, _, topic) =>
            window.got.push({ text: new TextDecoder().decode(payload), from: from?.identity, topic }),
        );
    });
    await sender.room.localParticipant.publishData(Buffer.from('from native'), { reliable: true, topic: 'stacks' });
    await ada.page.evaluate(() =>
        window.fanlight.room.localParticipant.publishData(new TextEncoder().encode('from Chromium'), {
            reliable: true,
            topic: 'stacks',
        }),
    );
    const native = { text: 'from native', from: 'sender', topic: 'stacks' };
    const browser = { text: 'from Chromium', from: adaId, topic: 'stacks' };
    const mine = (list) => list.filter((d) => d.topic === 'stacks');
    const texts = () => ada.page.evaluate(() => window.got);
    await until('the packets', async () => mine(await texts()).length && mine(watcher.data).length > 1 && mine(sender.data).length);
    assert.deepEqual(mine(await texts()), [native]);
    assert.deepEqual(mine(sender.data), [browser]);
    assert.deepEqual(mine(watcher.data).sort((a, b) => (a.text < b.text ? 1 : -1)), [native, browser]);

    assert.deepEqual(ada.errors, []);
    await sender.close();
    await watcher.close();
    await until('both are gone', async () => Object.keys(await ada.received()).length === 0);
    await ada.page.close();
});

/* ---- werift and libdatachannel, by WHEP and WHIP ---- */

/** Media of werift: receives, or sends packets that are given to it. */
class Werift {
    static async make(direction) {
        const w = new Werift();
        opened.add(w);
        w.rtp = { audio: [], video: [] };
        w.pc = new werift.RTCPeerConnection({
            iceServers: [],
            bundlePolicy: 'max-bundle', // else close() forgets the sockets of the sections that were bundled
            iceUseIpv6: false,
            iceAdditionalHostAddresses: ['127.0.0.1'],
            codecs: { audio: [werift.useOPUS()], video: [werift.useVP8()] },
        });
        w.media = {};
        for (const kind of ['audio', 'video']) w.#add(kind, direction);
        await w.pc.setLocalDescription(await w.pc.createOffer());
        w.offer = w.pc.localDescription.sdp;
        return w;
    }

    #add(kind, direction) {
        const track = new werift.MediaStreamTrack({ kind });
        const t = this.pc.addTransceiver(direction === 'sendonly' ? track : kind, { direction });
        this.media[kind] = { t, track };
        t.onTrack.subscribe((incoming) =>
            incoming.onReceiveRtp.subscribe((p) => {
                this.rtp[kind].push(readRtp(p.serialize()));
                this.onRtp?.(kind, this.rtp[kind].at(-1));
            }),
        );
        t.sender.onPictureLossIndication.subscribe(() => this.onPli?.());
    }

    accept = (sdp) => this.pc.setRemoteDescription({ type: 'answer', sdp });
    connected = () => this.pc.connectionState === 'connected' && this.pc.dtlsTransports.every((d) => d.state === 'connected');
    askForKeyFrame = () => this.media.video.t.receiver.sendRtcpPLI(this.rtp.video[0].ssrc);

    send(kind, { seq, timestamp, marker, payload }) {
        const header = new werift.RtpHeader({
            sequenceNumber: seq,
            timestamp,
            marker: !!marker,
            payloadType: kind === 'audio' ? 96 : 97, // the sender puts in its own
            ssrc: 1,
        });
        this.media[kind].track.writeRtp(new werift.RtpPacket(header, payload));
    }

    close() {
        opened.delete(this);
        return this.pc.close();
    }
}

/** The same of libdatachannel. */
class Datachannel {
    static async make(direction) {
        const d = new Datachannel();
        opened.add(d);
        d.rtp = { audio: [], video: [] };
        d.pc = new datachannel.PeerConnection(direction, {
            iceServers: [],
            bindAddress: '127.0.0.1',
            disableAutoNegotiation: true,
            disableFingerprintVerification: false,
        });
        d.media = {};
        const way = direction === 'sendonly' ? 'SendOnly' : 'RecvOnly';
        d.#add(new datachannel.Audio('0', way), 'audio', 111, 1001);
        d.#add(new datachannel.Video('1', way), 'video', 96, 1002);
        d.pc.setLocalDescription('offer');
        d.offer = d.pc.localDescription().sdp;
        return d;
    }

    #add(m, kind, pt, ssrc) {
        if (kind === 'audio') m.addOpusCodec(pt);
        else m.addVP8Codec(pt);
        if (m.direction() === 'SendOnly') m.addSSRC(ssrc, 'cname', 'stream', `${kind}-track`);
        const track = this.pc.addTrack(m);
        this.media[kind] = { track, pt, ssrc };
        track.onMessage((bytes) => {
            const b = Buffer.from(bytes);
            if (isRtcp(b)) return this.#rtcp(b);
            this.rtp[kind].push(readRtp(b));
            this.onRtp?.(kind, this.rtp[kind].at(-1));
        });
    }

    /** RFC 4585, section 6.3.1: PLI is type 206, format 1. */
    #rtcp(b) {
        for (let at = 0; at + 4 <= b.length; at += 4 + 4 * b.readUInt16BE(at + 2))
            if (b[at + 1] === 206 && (b[at] & 31) === 1) this.onPli?.();
    }

    accept = (sdp) => this.pc.setRemoteDescription(sdp, 'answer');
    connected = () => this.pc.state() === 'connected' && Object.values(this.media).every((m) => m.track.isOpen());

    askForKeyFrame() {
        const pli = Buffer.from([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
        pli.writeUInt32BE(this.rtp.video[0].ssrc, 8);
        this.media.video.track.sendMessageBinary(pli);
    }

    send(kind, { seq, timestamp, marker, payload }) {
        const { track, pt, ssrc } = this.media[kind];
        const b = Buffer.alloc(12 + payload.length);
        b[0] = 0x80;
        b[1] = pt | (marker << 7);
        b.writeUInt16BE(seq, 2);
        b.writeUInt32BE(timestamp, 4);
        b.writeUInt32BE(ssrc, 8);
        payload.copy(b, 12);
        track.sendMessageBinary(b);
    }

    close() {
        opened.delete(this);
        this.pc.close();
    }
}

async function post(path, peer, jwt) {
    const r = await fetch(server.http + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${jwt}` },
        body: peer.offer,
    });
    const body = await r.text();
    assert.equal(r.status, 201, body);
    await peer.accept(body);
    return server.http + r.headers.get('location');
}

/** All of one stream, each the next of the one before; they are sorted first, since UDP may turn them around. */
function noneMissing(packets, what) {
    assert.equal(new Set(packets.map((p) => p.ssrc)).size, 1, `${what}: one SSRC`);
    const far = packets.map((p) => ((p.seq - packets[0].seq + 0x18000) & 0xffff) - 0x8000).sort((a, b) => a - b);
    far.forEach((f, i) => assert.equal(f - far[0], i, `${what}: ${far.slice(Math.max(0, i - 3), i + 3)} at ${i}`));
}

/** Does a packet begin a VP8 key frame? RFC 7741, section 4.2; P of RFC 6386, section 9.1, is 0. */
function startsKeyFrame(b) {
    if ((b[0] & 0x17) !== 0x10) return false;
    let at = 1;
    if (b[0] & 0x80) {
        const x = b[at++];
        if (x & 0x80) at += b[at] & 0x80 ? 2 : 1;
        if (x & 0x40) at++;
        if (x & 0x30) at++;
    }
    return (b[at] & 1) === 0;
}

for (const [name, Stack] of [
    ['werift', Werift],
    ['libdatachannel', Datachannel],
])
    test(`${name}: takes a camera and a microphone by WHEP, and sends them back by WHIP`, async () => {
        const room = await server.createRoom();
        const ada = await Person.join(chromium, server, room, 'Ada');
        const adaId = await ada.page.evaluate(() => window.fanlight.room.localParticipant.identity);
        await ada.publishes();

        const viewer = await Stack.make('recvonly');
        const viewing = await post(`/whep/${room.code}/${adaId}`, viewer, await token('viewer', room.code));
        await until('the viewer is connected', viewer.connected);
        for (const kind of ['audio', 'video']) await until(`${kind} at the viewer`, () => viewer.rtp[kind].length > 50);
        for (const kind of ['audio', 'video']) noneMissing(viewer.rtp[kind], kind);
        assert.ok(viewer.rtp.video.some((p) => startsKeyFrame(p.payload)), 'a picture to begin with');
        const asked = viewer.rtp.video.length;
        viewer.askForKeyFrame();
        await until('a key frame for a PLI', () => viewer.rtp.video.slice(asked).some((p) => startsKeyFrame(p.payload)));

        const publisher = await Stack.make('sendonly');
        const jwt = await token('echo', room.code, {}, { name: 'Echo' });
        const publishing = await post(`/whip/${room.code}`, publisher, jwt);
        await until('the publisher is connected', publisher.connected);
        let plis = 0;
        publisher.onPli = () => {
            plis++;
            viewer.askForKeyFrame();
        };
        viewer.onRtp = (kind, packet) => publisher.send(kind, packet);
        await ada.sees('Echo', 'camera', 20);
        await ada.hears('Echo');
        assert.ok(plis > 0, 'the server asked for a key frame');
        const { camera, microphone } = (await ada.received()).Echo;
        assert.equal(camera.lost + microphone.lost, 0);
        assert.deepEqual(ada.errors, []);

        viewer.onRtp = undefined;
        assert.equal((await fetch(publishing, { method: 'DELETE' })).status, 200);
        await until('Echo is gone', async () => !(await ada.received()).Echo);
        for (const kind of ['audio', 'video']) noneMissing(viewer.rtp[kind], kind);
        assert.equal((await fetch(viewing, { method: 'DELETE' })).status, 200);
        await viewer.close();
        await publisher.close();
        await ada.page.close();
    });
