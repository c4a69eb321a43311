// timeout: 180
// Stacks that share no code with browsers or with us: a native SDK, libdatachannel, werift.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
    AudioFrame,
    AudioSource,
    AudioStream,
    LocalAudioTrack,
    LocalVideoTrack,
    Room,
    RoomEvent,
    SimulateScenarioKind,
    TrackKind,
    TrackPublishOptions,
    TrackSource,
    VideoBufferType,
    VideoFrame,
    VideoSource,
    VideoStream,
    dispose,
} from '@livekit/rtc-node';
import * as werift from 'werift';
import { openChromium } from './lib/browsers.mjs';
import { Person } from './lib/call.mjs';
import { Peer, allDone } from './lib/peer.mjs';
import { Server, token, until } from './lib/server.mjs';
import { Signal } from './lib/signal.mjs';

let server, chromium;
const open = []; // what werift holds

before(async () => {
    [server, chromium] = await Promise.all([Server.start(), openChromium()]);
});

after(async () => {
    await chromium?.close();
    await dispose();
    for (const pc of open) await pc.close();
    assert.equal((await server.stop()).code, 0, server.log);
    allDone();
});

const identity = (person) => person.page.evaluate(() => window.fanlight.room.localParticipant.identity);

/** A green picture with a stripe that moves. */
function picture(width, height, n) {
    const data = new Uint8Array(width * height * 4);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) data.set(y === n % height ? [255, 255, 255, 255] : [0, 200, 0, 255], (y * width + x) * 4);
    return new VideoFrame(data, width, height, VideoBufferType.RGBA);
}

/** Publishes sound (440 Hz) and pictures until stop is called. */
async function perform(room) {
    const audio = new AudioSource(48000, 1);
    const video = new VideoSource(320, 240);
    const options = (source) => new TrackPublishOptions({ source, simulcast: false });
    await room.localParticipant.publishTrack(
        LocalAudioTrack.createAudioTrack('mic', audio),
        options(TrackSource.SOURCE_MICROPHONE),
    );
    const camera = await room.localParticipant.publishTrack(
        LocalVideoTrack.createVideoTrack('camera', video),
        options(TrackSource.SOURCE_CAMERA),
    );
    let n = 0;
    let going = true;
    const timer = setInterval(() => video.captureFrame(picture(320, 240, n++)), 50);
    const sound = (async () => {
        for (let at = 0; going; at += 480) {
            const samples = Int16Array.from({ length: 480 }, (_, i) => 12000 * Math.sin((2 * Math.PI * 440 * (at + i)) / 48000));
            await audio.captureFrame(new AudioFrame(samples, 48000, 1, 480));
        }
    })();
    const stop = async () => {
        going = false;
        clearInterval(timer);
        await sound;
    };
    return { camera, stop };
}

describe('a native SDK', () => {
    test('publishes and is seen, subscribes and sees; changes itself, leaves', async () => {
        const info = await server.createRoom();
        const ann = await Person.join(chromium, server, info, 'Ann');
        const room = new Room();
        const frames = { audio: 0, loud: 0, video: 0, size: '' };
        room.on(RoomEvent.TrackSubscribed, async (track) => {
            if (track.kind === TrackKind.KIND_VIDEO)
                for await (const { frame } of new VideoStream(track)) {
                    frames.video++;
                    frames.size = `${frame.width}x${frame.height}`;
                }
            else
                for await (const frame of new AudioStream(track)) {
                    frames.audio++;
                    frames.loud += frame.data.some((s) => Math.abs(s) > 500);
                }
        });
        const grants = { canUpdateOwnMetadata: true };
        await room.connect(server.ws, await token('bot', info.code, grants, { name: 'Bot' }), { autoSubscribe: true, dynacast: true });
        const { camera, stop } = await perform(room);

        await ann.sees('Bot');
        await ann.hears('Bot');
        const [r, g, b] = await until('a picture', () => ann.picture('Bot'));
        assert.ok(g > 120 && r < 90 && b < 90, `green: ${[r, g, b]}`);
        await until('frames of Ann', () => frames.video > 10 && frames.audio > 50 && frames.loud > 0);
        assert.match(frames.size, /^\d{3,4}x\d{3,4}$/);

        await room.localParticipant.updateName('Robot');
        await room.localParticipant.updateMetadata('{"a":1}');
        await room.localParticipant.setAttributes({ mood: 'good' });
        await until('Ann knows', () =>
            ann.page.evaluate(() => {
                const p = window.fanlight.room.remoteParticipants.get('bot');
                return p.name === 'Robot' && p.metadata === '{"a":1}' && p.attributes.mood === 'good';
            }),
        );

        await room.localParticipant.unpublishTrack(camera.sid);
        await until('no camera', async () => !('camera' in (await ann.received()).Robot.muted));
        await stop();
        await room.disconnect();
        await until('gone', async () => !(await ann.received()).Robot);
        assert.deepEqual(ann.errors, []);
        await ann.page.close();
    });

    for (const [name, kind] of [
        ['resumes', SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT],
        ['starts over', SimulateScenarioKind.SIMULATE_FULL_RECONNECT],
    ])
        test(`${name} and is seen again`, async () => {
            const info = await server.createRoom();
            const ann = await Person.join(chromium, server, info, 'Ann', '&cam=0&mic=0');
            const room = new Room();
            await room.connect(server.ws, await token('bot', info.code, {}, { name: 'Bot' }), { autoSubscribe: true, dynacast: false });
            const { stop } = await perform(room);
            await ann.sees('Bot');
            let back = false;
            room.once(RoomEvent.Reconnected, () => (back = true));
            await room.simulateScenario(kind);
            await until('it is back', () => back, 30000);
            await ann.sees('Bot');
            await ann.hears('Bot');
            await stop();
            await room.disconnect();
            await ann.page.close();
        });
});

describe('libdatachannel', () => {
    test('gets what a browser sends, and asks it for key frames', async () => {
        const info = await server.createRoom();
        const ann = await Person.join(chromium, server, info, 'Ann');
        const peer = await Peer.join(server, { room: info.code, identity: 'peer', options: { name: 'Peer' }, publish: ['opus'] });
        const { tracks } = await peer.signal.knows(await identity(ann), (p) => p.tracks.length === 2);
        const audio = tracks.find((t) => t.type === 0);
        const video = tracks.find((t) => t.type === 1);
        const sound = await peer.receives(audio.sid, 50);
        assert.ok(sound.every((p) => p.pt === 111), 'plain Opus for whom RED is nothing');
        const packets = await peer.receives(video.sid, 50);
        assert.equal(new Set(packets.map((p) => p.ssrc)).size, 1);
        const codec = video.mimeType.toLowerCase();
        assert.equal(codec, 'video/vp8');
        const keys = () => packets.filter((p) => isKeyFrame(p.payload)).length;
        const before = keys();
        assert.ok(before >= 1, 'begins with a key frame');
        peer.pli(video.sid);
        await until('another key frame', () => keys() > before);
        const seqs = packets.map((p) => p.seq);
        assert.equal(new Set(seqs).size, seqs.length, 'no number twice');
        // and the browser gets what it sends
        peer.stream();
        await until('Ann has packets', async () => (await ann.received()).Peer?.microphone?.packets > 20);
        await peer.leave();
        await ann.page.close();
    });

    test('two connections: the same', async () => {
        const info = await server.createRoom();
        const ann = await Person.join(chromium, server, info, 'Ann');
        // libdatachannel does no SRTP where the first description had no media
        await ann.publishes();
        const peer = await Peer.join(server, { room: info.code, identity: 'peer', options: { name: 'Peer' }, form: 'two', publish: ['opus'] });
        const { tracks } = await peer.signal.knows(await identity(ann), (p) => p.tracks.length === 2);
        for (const t of tracks) await peer.receives(t.sid, 20);
        peer.stream();
        await until('Ann has packets', async () => (await ann.received()).Peer?.microphone?.packets > 20);
        await peer.leave();
        await ann.page.close();
    });
});

/** Does a packet begin a VP8 key frame? RFC 7741, section 4.2. */
function isKeyFrame(p) {
    let at = 1;
    if (p[0] & 0x80) {
        const x = p[at++];
        if (x & 0x80) at += p[at] & 0x80 ? 2 : 1;
        if (x & 0x40) at++;
        if (x & 0x30) at++;
    }
    return (p[0] & 0x17) === 0x10 && !(p[at] & 1);
}

describe('werift', () => {
    const opus = () => new werift.RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48000, channels: 2, payloadType: 111 });
    const vp8 = () =>
        new werift.RTCRtpCodecParameters({
            mimeType: 'video/VP8',
            clockRate: 90000,
            payloadType: 96,
            rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
        });

    test('ICE, DTLS, SRTP and SCTP; packets both ways', async () => {
        const info = await server.createRoom();
        const ann = await Person.join(chromium, server, info, 'Ann');
        await ann.publishes(); // what comes later needs another offer, which this client does not make
        const pc = new werift.RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle', codecs: { audio: [opus()], video: [vp8()] } });
        open.push(pc);
        const reliable = pc.createDataChannel('_reliable');
        pc.createDataChannel('_lossy', { ordered: false, maxRetransmits: 0 });
        pc.addTransceiver('audio', { direction: 'recvonly' });
        const receiving = pc.addTransceiver('video', { direction: 'recvonly' });
        const mine = new werift.MediaStreamTrack({ kind: 'audio' });
        const sending = pc.addTransceiver(mine, { direction: 'sendonly' });
        const got = { audio: [], video: [] };
        pc.onTrack.subscribe((t) => t.onReceiveRtp.subscribe((rtp) => got[t.kind].push(rtp)));
        await pc.setLocalDescription(await pc.createOffer());
        const s = await Signal.join(server, { room: info.code, identity: 'werift', options: { name: 'Werift' }, offer: pc.localDescription.sdp });
        s.send('addTrack', { cid: 'mine', name: 'mic', type: 0, source: 2 });
        await s.next('trackPublished');
        const answer = await s.next('answer');
        await pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
        await until('connected', () => pc.connectionState === 'connected');
        await until('sound and picture', () => got.audio.length > 50 && got.video.length > 50);
        const keys = () => got.video.filter((p) => isKeyFrame(p.payload)).length;
        assert.ok(keys() >= 1);
        const before = keys();
        receiving.receiver.sendRtcpPLI(got.video[0].header.ssrc);
        await until('a key frame that was asked for', () => keys() > before);

        let n = 0;
        const timer = setInterval(() => {
            const header = new werift.RtpHeader({
                payloadType: 111,
                sequenceNumber: n & 0xffff,
                timestamp: n * 960,
                ssrc: sending.sender.ssrc,
                marker: n === 0,
            });
            n++;
            mine.writeRtp(new werift.RtpPacket(header, Buffer.alloc(30, 0xfc)));
        }, 20);
        await until('Ann has packets', async () => (await ann.received()).Werift?.microphone?.packets > 20);
        clearInterval(timer);

        await until('the channel', () => reliable.readyState === 'open');
        const heard = [];
        reliable.onMessage.subscribe((data) => heard.push(Buffer.from(data).toString('latin1')));
        await ann.page.evaluate(() => window.fanlight.room.localParticipant.publishData(new TextEncoder().encode('hello werift'), { reliable: true }));
        await until('data', () => heard.some((t) => t.includes('hello werift')));
        await s.leave();
        await ann.page.close();
    });
});
